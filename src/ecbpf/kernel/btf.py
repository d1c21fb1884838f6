"""BTF, the kernel's type format, as ctypes types: the C headers are the only place where a type is written.

Source: Documentation/bpf/btf.rst in the kernel tree, <linux/btf.h>.
"""

import ctypes
import struct
from typing import Any, NamedTuple

from ecbpf.errors import DataError

__all__ = ["Btf", "CType", "Member", "Type", "Variable"]

CType = Any  # a ctypes class: typeshed has no name that covers simple, array and structure types

# BTF_KIND_*, by number
_KINDS = (
    *("VOID", "INT", "PTR", "ARRAY", "STRUCT", "UNION", "ENUM", "FWD", "TYPEDEF", "VOLATILE", "CONST", "RESTRICT"),
    *("FUNC", "FUNC_PROTO", "VAR", "DATASEC", "FLOAT", "DECL_TAG", "TYPE_TAG", "ENUM64"),
)
_MODIFIERS = frozenset({"TYPEDEF", "VOLATILE", "CONST", "RESTRICT", "TYPE_TAG"})
_MAGIC = 0xEB9F
_SIGNED, _CHAR, _BOOL = 1, 2, 4  # the encoding bits of an INT
_UNSIGNED_INTS = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}
_SIGNED_INTS = {1: ctypes.c_int8, 2: ctypes.c_int16, 4: ctypes.c_int32, 8: ctypes.c_int64}

_header = struct.Struct("<HBBIIIII")
_three_words = struct.Struct("<III")
_word = struct.Struct("<I")
_enum_value = struct.Struct("<Ii")


class Member(NamedTuple):
    """A member of a struct or union; `bits` is 0 unless it is a bit-field."""

    name: str
    type_id: int
    bit_offset: int
    bits: int


class Variable(NamedTuple):
    """A variable of a data section: where it lies there, in bytes."""

    type_id: int
    offset: int
    size: int


class Type:
    """One record. `size_or_type` is the size in bytes or the type referred to, as the kind has it."""

    __slots__ = ("detail", "kind", "kind_flag", "name", "size_or_type")

    def __init__(self, kind: str, name: str, size_or_type: int, kind_flag: int) -> None:
        self.kind = kind
        self.name = name
        self.size_or_type = size_or_type
        self.kind_flag = kind_flag
        self.detail: Any = None


class Btf:
    """The types of an object, a loaded program or map, or the kernel, from their raw BTF."""

    def __init__(self, raw: bytes) -> None:
        """raw: a BTF blob of this machine's byte order. Raises DataError if it is not one."""
        if len(raw) < _header.size or _header.unpack_from(raw)[0] != _MAGIC:
            raise DataError("BTF", "not BTF of this machine's byte order")
        _, _, _, header, types_at, types_len, strings_at, strings_len = _header.unpack_from(raw)
        self._strings = raw[header + strings_at : header + strings_at + strings_len]
        self.types = [Type("VOID", "", 0, 0)]
        position = header + types_at
        end = position + types_len
        while position < end:
            position = self._read(raw, position)
        self._ctypes: dict[int, CType] = {0: None}

    def _string(self, offset: int) -> str:
        return self._strings[offset : self._strings.index(b"\0", offset)].decode()

    def _read(self, raw: bytes, at: int) -> int:
        """Append the record that starts at `at`; returns where the next one starts."""
        name, info, size_or_type = _three_words.unpack_from(raw, at)
        at += 12
        count = info & 0xFFFF
        kind = _KINDS[info >> 24 & 0x1F]
        record = Type(kind, self._string(name), size_or_type, info >> 31)
        self.types.append(record)
        match kind:
            case "INT" | "VAR" | "DECL_TAG":
                (record.detail,) = _word.unpack_from(raw, at)
                at += 4
            case "ARRAY":
                record.detail = _three_words.unpack_from(raw, at)
                at += 12
            case "STRUCT" | "UNION":
                record.detail = [self._member(raw, at + 12 * i, record.kind_flag) for i in range(count)]
                at += 12 * count
            case "ENUM":
                values = [_enum_value.unpack_from(raw, at + 8 * i) for i in range(count)]
                record.detail = {self._string(offset): value for offset, value in values}
                at += 8 * count
            case "ENUM64":
                wide = [_three_words.unpack_from(raw, at + 12 * i) for i in range(count)]
                record.detail = {self._string(offset): low | high << 32 for offset, low, high in wide}
                at += 12 * count
            case "FUNC_PROTO":
                at += 8 * count
            case "DATASEC":
                record.detail = [Variable(*_three_words.unpack_from(raw, at + 12 * i)) for i in range(count)]
                at += 12 * count
        return at

    def _member(self, raw: bytes, at: int, kind_flag: int) -> Member:
        name, type_id, offset = _three_words.unpack_from(raw, at)
        if kind_flag:
            return Member(self._string(name), type_id, offset & 0xFFFFFF, offset >> 24)
        return Member(self._string(name), type_id, offset, 0)

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
        """The type as a ctypes class of the same layout, whatever the C compiler's padding was.

        Pointers become 64-bit numbers. Raises DataError for a type that no data can have.
        """
        while self.types[type_id].kind in _MODIFIERS:
            type_id = self.types[type_id].size_or_type
        if type_id not in self._ctypes:
            self._ctypes[type_id] = self._make(type_id)
        return self._ctypes[type_id]

    def _make(self, type_id: int) -> CType:
        record = self.types[type_id]
        match record.kind:
            case "INT":
                return _int_type(record.size_or_type, record.detail >> 24, record.name)
            case "ENUM":
                return (_SIGNED_INTS if record.kind_flag else _UNSIGNED_INTS)[record.size_or_type]
            case "PTR" | "ENUM64":
                return ctypes.c_uint64
            case "FLOAT":
                return {4: ctypes.c_float, 8: ctypes.c_double}[record.size_or_type]
            case "ARRAY":
                element, _, length = record.detail
                return self.ctype(element) * length
            case "STRUCT" | "UNION":
                return self._compound(record)
        raise DataError("BTF", f"{record.kind} {record.name!r} is not a type of data")

    def _compound(self, record: Type) -> CType:
        """A packed ctypes class with the padding written out; bit-fields become properties."""
        is_union = record.kind == "UNION"
        fields: list[tuple[str, CType]] = []
        anonymous: list[str] = []
        namespace: dict[str, Any] = {"_pack_": 1, "_layout_": "ms"}
        position = 0
        for index, member in enumerate(record.detail):
            if member.bits or member.bit_offset % 8:
                namespace[member.name] = _bit_field(member.bit_offset, member.bits)
                continue
            name = member.name or f"_anonymous{index}"
            if not member.name:
                anonymous.append(name)
            ctype = self.ctype(member.type_id)
            offset = member.bit_offset // 8
            if not is_union and offset > position:
                fields.append((f"_pad{index}", ctypes.c_uint8 * (offset - position)))
            fields.append((name, ctype))
            position = offset + ctypes.sizeof(ctype)
        if is_union:
            fields.append(("_whole", ctypes.c_uint8 * record.size_or_type))
        elif record.size_or_type > position:
            fields.append(("_tail", ctypes.c_uint8 * (record.size_or_type - position)))
        names = [member.name for member in record.detail if member.name]
        namespace |= {"_anonymous_": anonymous, "_fields_": fields, "__repr__": _repr, "_names_": names}
        base = ctypes.Union if is_union else ctypes.Structure
        return type(record.name or "anonymous", (base,), namespace)


def _int_type(size: int, encoding: int, name: str) -> CType:
    if encoding & _BOOL:
        return ctypes.c_bool
    if encoding & _CHAR or name == "char":
        return ctypes.c_char
    if size == 16:
        return ctypes.c_uint8 * 16
    return (_SIGNED_INTS if encoding & _SIGNED else _UNSIGNED_INTS)[size]


def _repr(self: Any) -> str:
    return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in self._names_)})"


def _bit_field(bit_offset: int, bits: int) -> property:
    first, shift = divmod(bit_offset, 8)
    length = (shift + bits + 7) // 8
    mask = (1 << bits) - 1

    def window(self: Any) -> Any:
        return (ctypes.c_uint8 * length).from_address(ctypes.addressof(self) + first)

    def get(self: Any) -> int:
        return int.from_bytes(bytes(window(self)), "little") >> shift & mask

    def put(self: Any, value: int) -> None:
        raw = window(self)
        others = int.from_bytes(bytes(raw), "little") & ~(mask << shift)
        raw[:] = (others | (value & mask) << shift).to_bytes(length, "little")

    return property(get, put)
