"""The records of BTF: one type each, with its parts.

Source: Documentation/bpf/btf.rst in the kernel tree, <linux/btf.h>.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Member", "Type", "Variable"]

# BTF_KIND_*, by number
_KINDS = (
    *("VOID", "INT", "PTR", "ARRAY", "STRUCT", "UNION", "ENUM", "FWD", "TYPEDEF", "VOLATILE", "CONST", "RESTRICT"),
    *("FUNC", "FUNC_PROTO", "VAR", "DATASEC", "FLOAT", "DECL_TAG", "TYPE_TAG", "ENUM64"),
)
# How many bytes follow a record: in all, or for each of its parts.
_ONCE = {"INT": 4, "ARRAY": 12, "VAR": 4, "DECL_TAG": 4}
_EACH = {"STRUCT": 12, "UNION": 12, "ENUM": 8, "FUNC_PROTO": 8, "DATASEC": 12, "ENUM64": 12}

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
    """A variable of a data section, with its offset and size in bytes."""

    __slots__ = ("offset", "size", "type_id")

    def __init__(self, type_id: int, offset: int, size: int) -> None:
        self.type_id = type_id
        self.offset = offset
        self.size = size


class Type:
    """One record. `size_or_type` is the size in bytes or the id of another type, depending on the kind."""

    __slots__ = ("_at", "_detail", "_raw", "_string", "count", "kind", "kind_flag", "name", "size_or_type")

    def __init__(self, raw: bytes, at: int, string: Callable[[int], str]) -> None:
        """raw: the whole BTF. at: the record's offset in it. string: gives the name at an offset."""
        name, info, self.size_or_type = _three_words.unpack_from(raw, at)
        self.name = string(name)
        self.kind = _KINDS[info >> 24 & 0x1F]
        self.kind_flag = info >> 31
        self.count = info & 0xFFFF
        self._raw = raw
        self._string = string
        self._at = at + 12
        self._detail: Any = None

    @property
    def detail(self) -> Any:
        """Depending on the kind: a list of Member or Variable, the enumerators, the three words of an array."""
        if self._detail is None:
            self._detail = self._read_detail()
        return self._detail

    @property
    def end(self) -> int:
        """The offset of the next record."""
        return int(self._at + _ONCE.get(self.kind, 0) + self.count * _EACH.get(self.kind, 0))

    def _read_detail(self) -> Any:
        raw, string, at = self._raw, self._string, self._at
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
        string = self._string
        if self.kind == "DATASEC":
            return [Variable(*part) for part in parts]
        if self.kind == "ENUM64":
            return {string(name): _wide(low, high, self.kind_flag) for name, low, high in parts}
        if self.kind_flag:
            return [Member(string(name), kind, where & 0xFFFFFF, where >> 24) for name, kind, where in parts]
        return [Member(string(name), kind, where, 0) for name, kind, where in parts]


def _wide(low: int, high: int, signed: int) -> int:
    value = low | high << 32
    return value - (1 << 64) if signed and value >> 63 else value
