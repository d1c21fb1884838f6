"""Types from BTF, written in C for a reader and in Python for a type checker."""

from __future__ import annotations

import ctypes
import keyword
from typing import TYPE_CHECKING, NamedTuple

from ecbpf.kernel.layout import Wide

if TYPE_CHECKING:
    from ecbpf.kernel.btf import Btf
    from ecbpf.kernel.layout import CType
    from ecbpf.kernel.records import Type

__all__ = ["Part", "Structs", "bare", "camel_case", "declaration", "is_identifier", "parts_of"]

_QUALIFIERS = ("CONST", "VOLATILE", "RESTRICT", "TYPE_TAG")
_WORDS = {"STRUCT": "struct ", "UNION": "union ", "ENUM": "enum ", "ENUM64": "enum ", "FWD": "struct "}
_NAMES = {"_Bool": "bool"}


def is_identifier(name: str) -> bool:
    """Whether a generated class can have an attribute of that name, which two leading underscores make private."""
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__") and name != "typed"


def camel_case(name: str) -> str:
    """The Python class name for a C type: chain_counts becomes ChainCounts."""
    return "".join(word[0].upper() + word[1:] for word in name.replace(".", "_").split("_") if word)


def bare(btf: Btf, type_id: int) -> int:
    """The id of the type behind typedefs and qualifiers."""
    while btf.types[type_id].kind in (*_QUALIFIERS, "TYPEDEF"):
        type_id = btf.types[type_id].size_or_type
    return type_id


def declaration(btf: Btf, type_id: int, name: str = "") -> str:
    """`name` declared in C with that type, without const and volatile; only the type if there is no name."""
    record = btf.types[type_id]
    match record.kind:
        case "VOID":
            return f"void {name}".rstrip()
        case "CONST" | "VOLATILE" | "RESTRICT" | "TYPE_TAG":
            return declaration(btf, record.size_or_type, name)
        case "PTR":
            to_group = btf.types[record.size_or_type].kind in ("ARRAY", "FUNC_PROTO")
            return declaration(btf, record.size_or_type, f"(*{name})" if to_group else f"*{name}")
        case "ARRAY":
            element, _, length = record.detail
            return declaration(btf, element, f"{name}[{length}]")
        case "FUNC_PROTO":
            return declaration(btf, record.size_or_type, f"{name}()")
    words = _WORDS.get(record.kind, "") + (_NAMES.get(record.name, record.name) or "{…}")
    return f"{words} {name}" if name else words


class Part(NamedTuple):
    """A member of a struct or union, or of an anonymous one inside it."""

    name: str
    type_id: int
    bit_offset: int
    bits: int  # 0 unless it is a bit-field


def parts_of(btf: Btf, record: Type, start: int = 0) -> list[Part]:
    """The members that have a name, in the order of the C. start: the offset of the struct in bits."""
    found: list[Part] = []
    for member in record.detail:
        inner = btf.types[bare(btf, member.type_id)]
        if member.name:
            found.append(Part(member.name, member.type_id, start + member.bit_offset, member.bits))
        elif inner.kind in ("STRUCT", "UNION"):
            found += parts_of(btf, inner, start + member.bit_offset)
    return found


class Structs:
    """The structs and unions that values consist of, each with the name of its Python class."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self.names: dict[int, str] = {}  # by type id; the types of a struct's members before it

    def annotation(self, type_id: int, hint: str) -> str:
        """The Python type of a value with that C type. hint: a name for a struct that has none.

        Raises DataError if it is not a data type.
        """
        self._collect(type_id, hint)
        return self._annotate(self._btf.ctype(type_id), type_id)

    def member(self, type_id: int) -> str:
        """The Python type of a struct member, where ctypes does not convert 128-bit numbers to int."""
        is_wide = issubclass(self._btf.ctype(type_id), Wide)
        return "typed.Wide" if is_wide else self._annotate(self._btf.ctype(type_id), type_id)

    def _collect(self, type_id: int, hint: str) -> None:
        """Give names to the structs in a type."""
        record = self._btf.types[type_id]
        while record.kind in (*_QUALIFIERS, "TYPEDEF", "ARRAY"):
            if record.kind == "TYPEDEF":
                hint = record.name
            type_id = record.detail[0] if record.kind == "ARRAY" else record.size_or_type
            record = self._btf.types[type_id]
        if record.kind not in ("STRUCT", "UNION") or type_id in self.names:
            return
        name = camel_case(record.name or hint)
        for part in parts_of(self._btf, record):
            self._collect(part.type_id, f"{record.name or hint}_{part.name}")
        self.names[type_id] = name

    def _annotate(self, ctype: CType, type_id: int) -> str:
        type_id = bare(self._btf, type_id)
        if type_id in self.names:
            return self.names[type_id]
        if issubclass(ctype, ctypes.Array):
            if ctype._type_ is ctypes.c_char:
                return "bytes"
            return f"typed.Array[{self._element(ctype._type_, self._btf.types[type_id].detail[0])}]"
        if ctype in (ctypes.c_float, ctypes.c_double):
            return "float"
        return {ctypes.c_bool: "bool", ctypes.c_char: "bytes"}.get(ctype, "int")

    def _element(self, ctype: CType, type_id: int) -> str:
        """The Python type of an array's element; an array of char does not become bytes there."""
        is_text = issubclass(ctype, ctypes.Array) and ctype._type_ is ctypes.c_char
        return "typed.Array[bytes]" if is_text else self.member(type_id)
