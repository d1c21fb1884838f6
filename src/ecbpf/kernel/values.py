"""Between Python values and the ctypes of BTF: what maps and globals take and give.

Numbers go in and come out as int (bool, float), arrays of char as bytes, a struct as a ctypes
instance with the C names, or on the way in also as a tuple of its members.
"""

import ctypes
import functools
from typing import Any

from ecbpf.errors import DataError
from ecbpf.kernel.btf import Btf, CType
from ecbpf.kernel.descriptor import Descriptor, descriptor_by_id
from ecbpf.kernel.libbpf import info_by_fd, lib
from ecbpf.kernel.uapi import BtfInfo

__all__ = ["btf_by_id", "decode", "encode", "plain_type", "total"]


def encode(ctype: CType, value: Any) -> Any:
    """`value` as an instance of `ctype`. Raises DataError if it does not fit."""
    if isinstance(value, ctype):
        return value
    if isinstance(value, Descriptor):
        return ctype(value.fd)
    if isinstance(value, (bytes, bytearray)):
        if issubclass(ctype, ctypes.Array) and len(value) < ctypes.sizeof(ctype) and ctype._type_ is ctypes.c_char:
            value = bytes(value).ljust(ctypes.sizeof(ctype), b"\0")
        if len(value) != ctypes.sizeof(ctype):
            raise DataError(f"{len(value)} bytes", f"the type takes {ctypes.sizeof(ctype)}")
        return ctype.from_buffer_copy(value)
    try:
        made = ctype(*value) if isinstance(value, (tuple, list)) else ctype(value)
    except TypeError as error:
        raise DataError(repr(value), f"is no {ctype.__name__}: {error}") from None
    if isinstance(value, int) and hasattr(made, "value") and made.value != value:
        raise DataError(str(value), f"does not fit in {8 * ctypes.sizeof(ctype)} bits")
    return made


def decode(instance: Any) -> Any:
    """What a reader wants of a ctypes instance: its number or bytes if it has one, else itself."""
    return instance.value if hasattr(instance, "value") else instance


def total(instances: list[Any]) -> Any:
    """The member-wise sum of numbers, arrays or structs of one type, as a map a CPU gives them."""
    first = instances[0]
    if isinstance(first, (int, float)):
        return sum(instances)
    result = type(first)()
    if isinstance(first, ctypes.Array):
        result[:] = [total([each[i] for each in instances]) for i in range(len(first))]
        return result
    for name in first._names_:
        setattr(result, name, total([getattr(each, name) for each in instances]))
    return result


def plain_type(size: int) -> CType:
    """The type of a key or value without BTF: an unsigned number if it has a number's size, else bytes."""
    numbers = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_uint32, 8: ctypes.c_uint64}
    return numbers.get(size, ctypes.c_uint8 * size)


@functools.cache
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
    """How many CPUs the kernel may ever bring up: the values that a map a CPU has for a key."""
    return int(lib.libbpf_num_possible_cpus())
