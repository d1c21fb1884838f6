"""BTF, the kernel's type format: what types there are, and their parts, by name and id.

Source: Documentation/bpf/btf.rst in the kernel tree, <linux/btf.h>.
"""

from __future__ import annotations

import struct

from ecbpf.errors import DataError
from ecbpf.kernel.layout import Layouts

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from typing import Any

    from ecbpf.kernel.layout import CType

__all__ = ["Btf", "Member", "Type", "Variable"]

# BTF_KIND_*, by number
_KINDS = (
    *("VOID", "INT", "PTR", "ARRAY", "STRUCT", "UNION", "ENUM", "FWD", "TYPEDEF", "VOLATILE", "CONST", "RESTRICT"),
    *("FUNC", "FUNC_PROTO", "VAR", "DATASEC", "FLOAT", "DECL_TAG", "TYPE_TAG", "ENUM64"),
)
# What follows a record: bytes once, or bytes for each of its parts.
_ONCE = {"INT": 4, "ARRAY": 12, "VAR": 4, "DECL_TAG": 4}
_EACH = {"STRUCT": 12, "UNION": 12, "ENUM": 8, "FUNC_PROTO": 8, "DATASEC": 12, "ENUM64": 12}
_MAGIC = 0xEB9F

_header = struct.Struct("<HBBIIIII")
_three_words = struct.Struct("<III")
_word = struct.Struct("<I")
_enum_value = struct.Struct("<Ii")


class Member:
    """A member of a struct or union; `bits` is 0 unless it is a bit-field."""

    __slots__ = ("bit_offset", "bits", "name", "type_id")

    def __init__(self, name: str, type_id: int, bit_offset: int, bits: int) -> None:
        self.name = name
        self.type_id = type_id
        self.bit_offset = bit_offset
        self.bits = bits


class Variable:
    """A variable of a data section: where it lies there, in bytes."""

    __slots__ = ("offset", "size", "type_id")

    def __init__(self, type_id: int, offset: int, size: int) -> None:
        self.type_id = type_id
        self.offset = offset
        self.size = size


class Type:
    """One record. `size_or_type` is the size in bytes or the type referred to, as the kind has it."""

    __slots__ = ("_at", "_btf", "_detail", "count", "kind", "kind_flag", "name", "size_or_type")

    def __init__(self, btf: Btf, at: int) -> None:
        """at: where in the BTF the record stands."""
        name, info, self.size_or_type = _three_words.unpack_from(btf.raw, at)
        self.name = btf.string(name)
        self.kind = _KINDS[info >> 24 & 0x1F]
        self.kind_flag = info >> 31
        self.count = info & 0xFFFF
        self._btf = btf
        self._at = at + 12
        self._detail: Any = None

    @property
    def detail(self) -> Any:
        """What the kind has beside: a list of Member or Variable, enumerators, an array's words."""
        if self._detail is None:
            self._detail = self._read_detail()
        return self._detail

    @property
    def end(self) -> int:
        """Where the next record stands."""
        return int(self._at + _ONCE.get(self.kind, 0) + self.count * _EACH.get(self.kind, 0))

    def _read_detail(self) -> Any:
        raw, string, at = self._btf.raw, self._btf.string, self._at
        match self.kind:
            case "INT" | "VAR" | "DECL_TAG":
                return _word.unpack_from(raw, at)[0]
            case "ARRAY":
                return _three_words.unpack_from(raw, at)
            case "ENUM":
                values = [_enum_value.unpack_from(raw, at + 8 * i) for i in range(self.count)]
                return {string(name): value for name, value in values}
            case "STRUCT" | "UNION" | "DATASEC" | "ENUM64":
                return self._of_three([_three_words.unpack_from(raw, at + 12 * i) for i in range(self.count)])
        return ()

    def _of_three(self, parts: list[tuple[int, int, int]]) -> Any:
        string = self._btf.string
        if self.kind == "DATASEC":
            return [Variable(*part) for part in parts]
        if self.kind == "ENUM64":
            return {string(name): _wide(low, high, self.kind_flag) for name, low, high in parts}
        if self.kind_flag:
            return [Member(string(name), kind, where & 0xFFFFFF, where >> 24) for name, kind, where in parts]
        return [Member(string(name), kind, where, 0) for name, kind, where in parts]


class Btf:
    """The types of an object, a loaded program or map, or the kernel, from their raw BTF."""

    def __init__(self, raw: bytes) -> None:
        """raw: a BTF blob of this machine's byte order. Raises DataError if it is not one."""
        if len(raw) < _header.size or _header.unpack_from(raw)[0] != _MAGIC:
            raise DataError("BTF", "not BTF of this machine's byte order")
        _, _, _, header, types_at, types_len, strings_at, strings_len = _header.unpack_from(raw)
        self.raw = raw + bytes(12)  # type 0, void, is written nowhere: a record of zeros
        self._strings = raw[header + strings_at : header + strings_at + strings_len]
        self.types = [Type(self, len(raw))]
        try:
            self._read(header + types_at, header + types_at + types_len)
        except (struct.error, IndexError):
            raise DataError("BTF", "is damaged") from None
        self._layouts = Layouts(self.types)

    def _read(self, position: int, end: int) -> None:
        while position < end:
            record = Type(self, position)
            self.types.append(record)
            position = record.end
        if position != end or end > len(self.raw) - 12:
            raise IndexError

    def string(self, offset: int) -> str:
        """The name at that offset."""
        end = self._strings.find(b"\0", offset)
        if end < 0:
            raise DataError("BTF", "is damaged")
        return self._strings[offset:end].decode(errors="replace")

    def find(self, name: str, kind: str) -> Type | None:
        """The first type of that name and kind ("STRUCT", "ENUM", "DATASEC", …), if any."""
        return next((t for t in self.types if t.name == name and t.kind == kind), None)

    def enum(self, name: str) -> dict[str, int]:
        """The enumerators of `enum name`, in the order of the header. Raises KeyError."""
        found = self.find(name, "ENUM") or self.find(name, "ENUM64")
        if found is None:
            raise KeyError(name)
        return dict(found.detail)

    def struct(self, name: str) -> CType:
        """`struct name` as a ctypes class. Raises KeyError."""
        for type_id, record in enumerate(self.types):
            if record.kind == "STRUCT" and record.name == name:
                return self.ctype(type_id)
        raise KeyError(name)

    def layout(self, section: Type) -> list[tuple[str, int, int]]:
        """Name, offset and size in bytes of each variable of a data section, by offset."""
        return sorted(
            ((self.types[each.type_id].name, each.offset, each.size) for each in section.detail),
            key=lambda variable: variable[1],
        )

    def ctype(self, type_id: int) -> CType:
        """The type as a ctypes class of the same layout, see layout.py. Raises DataError if no data has it."""
        return self._layouts.ctype(type_id)


def _wide(low: int, high: int, signed: int) -> int:
    value = low | high << 32
    return value - (1 << 64) if signed and value >> 63 else value
