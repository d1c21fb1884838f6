"""BTF types as ctypes classes of the same layout: the C headers are the only place where a type is written.

Pointers become 64-bit numbers; an array of ``char`` is a string, which ends at its first NUL (bytes that may
hold one are an array of ``__u8`` in C); ``__int128`` is a Wide.
"""

from __future__ import annotations

import ctypes

from ecbpf.errors import DataError

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from typing import Any

    from ecbpf.kernel.records import Type

    CType = Any  # a ctypes class: typeshed has no name that covers simple, array and structure types

__all__ = ["Layouts", "SignedWide", "Wide"]

_MODIFIERS = frozenset({"TYPEDEF", "VOLATILE", "CONST", "RESTRICT", "TYPE_TAG"})
_SIGNED, _CHAR, _BOOL = 1, 2, 4  # the encoding bits of an INT
_LOW = (1 << 64) - 1
_UNSIGNED_INTS = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}
_SIGNED_INTS = {1: ctypes.c_int8, 2: ctypes.c_int16, 4: ctypes.c_int32, 8: ctypes.c_int64}


class Wide(ctypes.Structure):
    """A 128-bit number, which ctypes lacks; `value` is the number."""

    _fields_ = (("low", ctypes.c_uint64), ("high", ctypes.c_uint64))

    @property
    def value(self) -> int:
        """The number."""
        return int(self.low | self.high << 64)

    @value.setter
    def value(self, number: int) -> None:
        self.low, self.high = number & _LOW, number >> 64 & _LOW


class SignedWide(Wide):
    """``__int128``."""

    @property
    def value(self) -> int:
        """The number."""
        number = self.low | self.high << 64
        return int(number - (1 << 128) if number >> 127 else number)

    @value.setter
    def value(self, number: int) -> None:
        self.low, self.high = number & _LOW, number >> 64 & _LOW


class Layouts:
    """The ctypes classes for the types of one BTF, made on first use."""

    def __init__(self, types: list[Type]) -> None:
        """types: by id."""
        self._types = types
        self._made: dict[int, CType] = {}

    def ctype(self, type_id: int) -> CType:
        """The type with that id. Raises DataError if it is not a data type."""
        type_id = self._bare(type_id)
        if type_id not in self._made:
            self._made[type_id] = self._make(self._types[type_id])
        return self._made[type_id]

    def _bare(self, type_id: int) -> int:
        while self._types[type_id].kind in _MODIFIERS:
            type_id = self._types[type_id].size_or_type
        return type_id

    def _make(self, record: Type) -> CType:
        match record.kind:
            case "INT":
                return _int_type(record.size_or_type, record.detail >> 24, record.name)
            case "ENUM" | "ENUM64":
                return (_SIGNED_INTS if _is_signed(record) else _UNSIGNED_INTS)[record.size_or_type]
            case "PTR":
                return ctypes.c_uint64
            case "FLOAT" if record.size_or_type in (4, 8):
                return {4: ctypes.c_float, 8: ctypes.c_double}[record.size_or_type]
            case "ARRAY":
                element, _, length = record.detail
                return self.ctype(element) * length
            case "STRUCT" | "UNION":
                return self._compound(record)
        raise DataError("BTF", f"{record.kind} {record.name!r} is not a type of data")

    def _compound(self, record: Type) -> CType:
        """A packed ctypes class with explicit padding; bit-fields become properties.

        Field names with a space in them are ours: no C name has one. `_names_` maps each member that makes up the
        value to its type (None: a bit-field). It includes members of anonymous structs, of a union the first only.
        """
        is_union = record.kind == "UNION"
        fields: list[tuple[str, CType]] = []
        anonymous: list[str] = []
        members: dict[str, CType] = {}
        bit_fields: dict[str, tuple[int, int, bool]] = {}
        position = 0
        for index, member in enumerate(record.detail):
            if member.bits or member.bit_offset % 8:
                if member.name:
                    signed = _is_signed(self._types[self._bare(member.type_id)])
                    bit_fields[member.name] = (member.bit_offset, member.bits, signed)
                    members[member.name] = None
                continue
            ctype = self.ctype(member.type_id)
            offset = member.bit_offset // 8
            name = member.name or f"anonymous {index}"
            if member.name:
                members[name] = ctype
            else:
                anonymous.append(name)
                members |= list(ctype._names_.items())[: 1 if issubclass(ctype, ctypes.Union) else None]
                for inner, (at, bits, signed) in ctype._bit_fields_.items():
                    bit_fields[inner] = (member.bit_offset + at, bits, signed)
            if not is_union and offset > position:
                fields.append((f"padding {index}", ctypes.c_uint8 * (offset - position)))
            fields.append((name, ctype))
            position = offset + ctypes.sizeof(ctype)
        if is_union:
            fields.append(("whole union", ctypes.c_uint8 * record.size_or_type))
        elif record.size_or_type > position:
            fields.append(("padding behind", ctypes.c_uint8 * (record.size_or_type - position)))
        namespace: dict[str, Any] = {"_pack_": 1, "_layout_": "ms", "_anonymous_": anonymous, "_fields_": fields}
        namespace["__slots__"] = ()  # or a store to a member that is not there would be one to Python alone
        namespace |= {"__repr__": _repr, "_names_": members, "_bit_fields_": bit_fields}
        namespace |= {name: _bit_field(*where) for name, where in bit_fields.items()}
        base = ctypes.Union if is_union else ctypes.Structure
        return type(record.name or "anonymous", (base,), namespace)


def _is_signed(record: Type) -> bool:
    if record.kind in ("ENUM", "ENUM64"):
        # Compilers before clang 15 do not set the flag; a negative enumerator shows it.
        return bool(record.kind_flag) or (record.kind == "ENUM" and any(v < 0 for v in record.detail.values()))
    return bool(record.kind == "INT" and record.detail >> 24 & _SIGNED)


def _int_type(size: int, encoding: int, name: str) -> CType:
    if encoding & _BOOL:
        return ctypes.c_bool
    if encoding & _CHAR or name == "char":
        return ctypes.c_char
    if size == 16:
        return SignedWide if encoding & _SIGNED else Wide
    return (_SIGNED_INTS if encoding & _SIGNED else _UNSIGNED_INTS)[size]


def _repr(self: Any) -> str:
    return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in self._names_)})"


def _bit_field(bit_offset: int, bits: int, signed: bool) -> property:
    """Behaves as in C: a value that is too large loses its upper bits."""
    first, shift = divmod(bit_offset, 8)
    length = (shift + bits + 7) // 8
    mask = (1 << bits) - 1

    def window(self: Any) -> Any:
        return (ctypes.c_uint8 * length).from_address(ctypes.addressof(self) + first)

    def get(self: Any) -> int:
        value = int.from_bytes(bytes(window(self)), "little") >> shift & mask
        return value - (1 << bits) if signed and value >> (bits - 1) else value

    def put(self: Any, value: int) -> None:
        raw = window(self)
        others = int.from_bytes(bytes(raw), "little") & ~(mask << shift)
        raw[:] = (others | (value & mask) << shift).to_bytes(length, "little")

    return property(get, put)
