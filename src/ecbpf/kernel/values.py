"""Conversion between Python values and the ctypes made from BTF, for maps and globals.

Numbers go in and come out as int (bool, float), an array of char as the bytes before its first NUL. A struct
comes out as a ctypes instance with the C names; it goes in as one, as its bytes, or as a tuple of its members
(of a union: the first member). Arrays likewise.
"""

from __future__ import annotations

import ctypes
import functools

from ecbpf.errors import DataError
from ecbpf.kernel.btf import Btf
from ecbpf.kernel.descriptor import Descriptor, descriptor_by_id
from ecbpf.kernel.layout import Wide
from ecbpf.kernel.libbpf import info_by_fd, lib
from ecbpf.kernel.uapi import BtfInfo

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from typing import Any

    from ecbpf.kernel.layout import CType

__all__ = ["btf_by_id", "decode", "encode", "plain_type", "possible_cpus", "total"]

_COMPOUND = (ctypes.Structure, ctypes.Union, ctypes.Array)
_BYTES = (bytes, bytearray, memoryview)


def encode(ctype: CType, value: Any) -> Any:
    """`value` as an instance of `ctype`. Raises DataError if it does not fit."""
    if isinstance(value, ctype):
        return value
    if isinstance(value, Descriptor):
        return ctype(value.fd)
    if isinstance(value, _COMPOUND):
        value = bytes(value)
    if isinstance(value, _BYTES):
        return _from_bytes(ctype, bytes(value))
    if not issubclass(ctype, _COMPOUND):
        return _from_number(ctype, value)
    made = ctype()
    if issubclass(ctype, Wide) and isinstance(value, int):
        made.value = value
        if made.value != value:
            raise DataError(str(value), "does not fit in 128 bits")
    elif isinstance(value, (tuple, list)):
        _fill(made, value)
    else:
        raise DataError(repr(value), f"is not a valid {ctype.__name__}")
    return made


def _from_bytes(ctype: CType, raw: bytes) -> Any:
    size = ctypes.sizeof(ctype)
    if len(raw) < size and issubclass(ctype, ctypes.Array) and ctype._type_ is ctypes.c_char:
        raw = raw.ljust(size, b"\0")
    if len(raw) != size:
        raise DataError(f"{len(raw)} bytes", f"the type takes {size}")
    return ctype.from_buffer_copy(raw)


def _from_number(ctype: CType, value: Any) -> Any:
    if isinstance(value, (int, float)):
        try:
            made = ctype(value)
        except (TypeError, OverflowError):
            pass  # a fraction for an int, a number beyond any float
        else:
            stored = made.value[0] if ctype is ctypes.c_char else made.value
            if isinstance(value, float) or stored == value:
                return made
    kind = f"{ctype.__name__.removeprefix('c_')}, {8 * ctypes.sizeof(ctype)} bits"
    raise DataError(repr(value), f"is not a valid {kind}")


def _fill(made: Any, values: Any) -> None:
    """Set all parts of a struct, union or array, in order."""
    is_array = isinstance(made, ctypes.Array)
    parts: list[Any] = list(range(len(made)) if is_array else made._names_)
    if isinstance(made, ctypes.Union):
        parts = parts[:1]
    if len(parts) != len(values):
        raise DataError(repr(values), f"{type(made).__name__} has {len(parts)} parts")
    for part, value in zip(parts, values, strict=True):
        if is_array:
            made[part] = _part(encode(made._type_, value))
        elif made._names_[part] is None:
            if isinstance(value, int):
                setattr(made, part, value)
            if getattr(made, part) != value:
                raise DataError(repr(value), f"does not fit the bit-field {part}")
        else:
            raw = bytes(encode(made._names_[part], value))
            ctypes.memmove(ctypes.addressof(made) + getattr(type(made), part).offset, raw, len(raw))


def _part(element: Any) -> Any:
    return element if isinstance(element, _COMPOUND) else element.value


def decode(instance: Any) -> Any:
    """The Python value of a ctypes instance: its number or bytes if it has one, else the instance itself."""
    if isinstance(instance, _COMPOUND) and not _has_value(instance):
        return instance
    return getattr(instance, "value", instance)


def _has_value(instance: Any) -> bool:
    # A struct may have a member called `value`.
    return isinstance(instance, Wide) or (isinstance(instance, ctypes.Array) and instance._type_ is ctypes.c_char)


def total(instances: list[Any]) -> Any:
    """The sum of numbers, arrays or structs of one type, member by member: the values of a per-CPU map.

    Sums wrap as they would in C. Members that are not numbers come from the first value; of a union the first
    member is summed.
    """
    first = instances[0]
    if isinstance(first, (int, float)):
        return sum(instances)
    if isinstance(first, Wide):
        wide = type(first)()
        wide.value = sum(each.value for each in instances)
        return wide
    if not isinstance(first, _COMPOUND) or _has_value(first):
        return first
    result: Any = type(first)()
    if isinstance(first, ctypes.Array):
        result[:] = [total([each[i] for each in instances]) for i in range(len(first))]
        return result
    names = list(result._names_)
    for name in names[:1] if isinstance(first, ctypes.Union) else names:
        setattr(result, name, total([getattr(each, name) for each in instances]))
    return result


def plain_type(size: int) -> CType:
    """The type of a key or value without BTF: an unsigned number if it has a number's size, else bytes."""
    numbers = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}
    return numbers.get(size, ctypes.c_uint8 * size)


@functools.lru_cache(maxsize=64)
def btf_by_id(number: int) -> Btf:
    """The BTF that was loaded with a program or map, by its id. Raises KernelError, DataError."""
    fd = descriptor_by_id("btf", number)
    if fd is None:
        raise DataError(f"BTF {number}", "is gone")
    with Descriptor(fd):
        size = info_by_fd(fd, BtfInfo()).btf_size
        raw = ctypes.create_string_buffer(size)
        info_by_fd(fd, BtfInfo(btf=ctypes.addressof(raw), btf_size=size))
    return Btf(raw.raw)


@functools.cache
def possible_cpus() -> int:
    """How many CPUs the kernel may ever bring up: the number of values per key in a per-CPU map."""
    return int(lib.libbpf_num_possible_cpus())
