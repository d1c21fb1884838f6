"""BTF, the kernel's type format: types and their parts, by name and id.

Source: Documentation/bpf/btf.rst in the kernel tree, <linux/btf.h>.
"""

from __future__ import annotations

import struct

from ecbpf.errors import DataError
from ecbpf.kernel.layout import Layouts
from ecbpf.kernel.records import Type

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from ecbpf.kernel.layout import CType

__all__ = ["Btf"]

_MAGIC = 0xEB9F

_header = struct.Struct("<HBBIIIII")


class Btf:
    """The types of an object, a loaded program or map, or the kernel, from their raw BTF."""

    def __init__(self, raw: bytes) -> None:
        """raw: a BTF blob of this machine's byte order. Raises DataError if it is not one."""
        if len(raw) < _header.size or _header.unpack_from(raw)[0] != _MAGIC:
            raise DataError("BTF", "not BTF of this machine's byte order")
        _, _, _, header, types_at, types_len, strings_at, strings_len = _header.unpack_from(raw)
        self.raw = raw + bytes(12)  # type 0, void, is not stored: a record of zeros stands for it
        self._strings = raw[header + strings_at : header + strings_at + strings_len]
        self.types = [Type(self.raw, len(raw), self.string)]
        try:
            self._read(header + types_at, header + types_at + types_len)
        except (struct.error, IndexError):
            raise DataError("BTF", "is damaged") from None
        self._layouts = Layouts(self.types)

    def _read(self, position: int, end: int) -> None:
        while position < end:
            record = Type(self.raw, position, self.string)
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
        """The type as a ctypes class of the same layout, see layout.py. Raises DataError for a function."""
        return self._layouts.ctype(type_id)
