"""BPF maps, used like dictionaries.

values.py describes keys and values. Their types come from the BTF that was loaded with the map, so that a newer
command reads an older program's map correctly.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os

from ecbpf.errors import DataError, KernelError, kernel_error
from ecbpf.kernel.descriptor import Descriptor, descriptor_by_id, descriptor_by_pin
from ecbpf.kernel.libbpf import BatchOptions, MapCreateOptions, info_by_fd, lib, options
from ecbpf.kernel.uapi import BPF_ANY, BPF_OBJ_NAME_LEN, INDEXED_MAPS, PERCPU_MAPS, MapInfo
from ecbpf.kernel.values import btf_by_id, decode, encode, plain_type, possible_cpus, total

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, Self

    from ecbpf.kernel.btf import Btf
    from ecbpf.kernel.layout import CType

__all__ = ["Map", "PerCpuMap", "kernel_name", "map_of_descriptor", "open_map"]

_ENOTSUPP = 524  # internal to the kernel, without a name in user space: this map type has no batches
_NO_BATCH = frozenset({errno.EINVAL, errno.EOPNOTSUPP, _ENOTSUPP})
_BATCH = 4096


class Map(Descriptor):
    """A map with one value per key. Lookups in a map of programs or maps give their ids."""

    def __init__(self, fd: int, btf: Btf | None = None) -> None:
        """fd: an open map, owned from now on. btf: its types, instead of those loaded with it."""
        super().__init__(fd)
        self.info = info_by_fd(fd, MapInfo())
        self.name: str = self.info.name.decode()
        if btf is None and self.info.btf_id:
            btf = btf_by_id(self.info.btf_id)
        self.btf = btf
        self._key_type = self._type(self.info.btf_key_type_id, self.info.key_size)
        self._value_type = self._type(self.info.btf_value_type_id, self.info.value_size)

    @classmethod
    def create(
        cls, kind: int, key_size: int, value_size: int, entries: int, *, name: str = "", flags: int = 0
    ) -> Self:
        """A new map without BTF; kind is one of uapi.MAP_*, sizes in bytes. Raises KernelError."""
        wanted = options(MapCreateOptions, map_flags=flags)
        return cls(
            lib.bpf_map_create(kind, name.encode()[:15], key_size, value_size, entries, ctypes.byref(wanted))
        )

    def _type(self, type_id: int, size: int) -> CType:
        if not type_id or self.btf is None:
            return plain_type(size)
        if self.btf.types[type_id].kind == "DATASEC":
            return ctypes.c_uint8 * size
        return self.btf.ctype(type_id)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Type, key size, value size, entries: two maps must share them for one to replace the other."""
        return (self.info.type, self.info.key_size, self.info.value_size, self.info.max_entries)

    def _error(self, error: KernelError, key: Any = None) -> KernelError:
        what = f"map {self.name}" if key is None else f"map {self.name}, key {key}"
        # E2BIG from an indexed map is an index past its end; a full trie gives ENOSPC.
        full = error.errno in (errno.E2BIG, errno.ENOSPC) and self.info.type not in INDEXED_MAPS
        return kernel_error(what, error.errno, f"it holds {self.info.max_entries} entries at most" if full else "")

    def _lookup(self, key: Any, buffer: Any) -> bool:
        """Fill `buffer` with the value of `key` (encoded); false if the map has no such key."""
        try:
            lib.bpf_map_lookup_elem(self.fd, ctypes.byref(key), ctypes.byref(buffer))
        except KernelError as error:
            if error.errno == errno.ENOENT:
                return False
            raise self._error(error, decode(key)) from None
        return True

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of `key`, or `default`. Raises KernelError, DataError."""
        buffer = self._value_type()
        return decode(buffer) if self._lookup(encode(self._key_type, key), buffer) else default

    def __getitem__(self, key: Any) -> Any:
        missing = object()
        value = self.get(key, missing)
        if value is missing:
            raise KeyError(key)
        return value

    def __contains__(self, key: Any) -> bool:
        return self.get(key) is not None

    def sum(self, key: Any) -> Any:
        """The sum of `key` over all CPUs, here its only value. Raises KeyError."""
        return self[key]

    def _encode_value(self, value: Any) -> Any:
        return encode(self._value_type, value)

    def set(self, key: Any, value: Any, flags: int = BPF_ANY) -> None:
        """Store; with uapi.BPF_NOEXIST only a new key, with BPF_EXIST an old. Raises KernelError, DataError."""
        encoded = self._encode_value(value)
        try:
            lib.bpf_map_update_elem(
                self.fd, ctypes.byref(encode(self._key_type, key)), ctypes.byref(encoded), flags
            )
        except KernelError as error:
            raise self._error(error, key) from None

    def __setitem__(self, key: Any, value: Any) -> None:
        self.set(key, value)

    def delete(self, key: Any) -> bool:
        """Remove `key`; false if it was not there. Raises KernelError (EINVAL: an array keeps its keys)."""
        try:
            lib.bpf_map_delete_elem(self.fd, ctypes.byref(encode(self._key_type, key)))
        except KernelError as error:
            if error.errno == errno.ENOENT:
                return False
            raise self._error(error, key) from None
        return True

    def __delitem__(self, key: Any) -> None:
        if not self.delete(key):
            raise KeyError(key)

    def keys(self) -> Iterator[Any]:
        """Every key; of an indexed map, every index. A hash that changes meanwhile may repeat or miss some."""
        if self.info.type in INDEXED_MAPS:
            yield from range(self.info.max_entries)
            return
        previous = None
        while True:
            following = self._key_type()
            try:
                lib.bpf_map_get_next_key(
                    self.fd, ctypes.byref(previous) if previous is not None else None, ctypes.byref(following)
                )
            except KernelError as error:
                if error.errno == errno.ENOENT:
                    return
                raise self._error(error) from None
            yield decode(following)
            previous = following

    __iter__ = keys

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Every key that has a value, with it."""
        missing = object()
        for key in self.keys():
            value = self.get(key, missing)
            if value is not missing:
                yield key, value

    def __len__(self) -> int:
        return sum(1 for _ in self.items())

    def memory(self) -> mmap.mmap:
        """The live elements of a BPF_F_MMAPABLE array, one after another, each rounded up to 8 bytes.

        Raises KernelError.
        """
        size = (self.info.value_size + 7 & ~7) * self.info.max_entries
        try:
            return mmap.mmap(self.fd, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE)
        except OSError as error:
            raise kernel_error(f"map {self.name}", error.errno or 0) from None

    # Batches: one system call for thousands of elements, since Linux 5.6.

    def update_raw(self, keys: Any, values: Any) -> None:
        """Store many at once from two buffers (bytes, bytearray, array, numpy), one element after another.

        Elements have their C layout; a value of a per-CPU map has one part per CPU, each rounded up to 8 bytes.
        Sorted keys load fastest. Raises DataError if the sizes disagree, KernelError (E2BIG: full).
        """
        key_bytes, value_bytes = memoryview(keys).cast("B"), memoryview(values).cast("B")
        count, rest = divmod(len(key_bytes), self.info.key_size)
        if rest or len(value_bytes) != count * self._value_stride():
            given = f"{len(key_bytes)} bytes of keys and {len(value_bytes)} of values"
            raise DataError(f"map {self.name}", f"{given} are not whole elements")
        key_buffer = (ctypes.c_char * len(key_bytes)).from_buffer_copy(key_bytes)
        value_buffer = (ctypes.c_char * len(value_bytes)).from_buffer_copy(value_bytes)
        flags = options(BatchOptions)
        self._in_batches(
            count,
            lambda at, length: lib.bpf_map_update_batch(
                self.fd,
                ctypes.byref(key_buffer, at * self.info.key_size),
                ctypes.byref(value_buffer, at * self._value_stride()),
                length,
                ctypes.byref(flags),
            ),
            lambda at: lib.bpf_map_update_elem(
                self.fd,
                ctypes.byref(key_buffer, at * self.info.key_size),
                ctypes.byref(value_buffer, at * self._value_stride()),
                BPF_ANY,
            ),
        )

    def update(self, items: Iterable[tuple[Any, Any]]) -> None:
        """Store many (key, value) pairs at once. Raises what update_raw() does."""
        pairs = list(items)
        self.update_raw(
            b"".join(bytes(encode(self._key_type, key)) for key, _ in pairs),
            b"".join(bytes(self._encode_value(value)) for _, value in pairs),
        )

    def delete_many(self, keys: Iterable[Any]) -> None:
        """Remove many keys at once. Raises KernelError (ENOENT: one was missing; those before it are removed)."""
        raw = [bytes(encode(self._key_type, key)) for key in keys]
        buffer = ctypes.create_string_buffer(b"".join(raw), max(1, len(raw) * self.info.key_size))
        flags = options(BatchOptions)
        self._in_batches(
            len(raw),
            lambda at, length: lib.bpf_map_delete_batch(
                self.fd, ctypes.byref(buffer, at * self.info.key_size), length, ctypes.byref(flags)
            ),
            lambda at: lib.bpf_map_delete_elem(self.fd, ctypes.byref(buffer, at * self.info.key_size)),
        )

    def _in_batches(self, count: int, batch: Callable[[int, Any], Any], single: Callable[[int], Any]) -> None:
        """Do `count` elements by `batch(first, length)`; one by one where this map type has no batches."""
        done = 0
        try:
            while done < count:
                length = ctypes.c_uint32(min(_BATCH, count - done))
                batch(done, ctypes.byref(length))
                done += length.value
        except KernelError as error:
            if done or error.errno not in _NO_BATCH:
                raise self._error(error) from None
            try:
                for at in range(count):
                    single(at)
            except KernelError as refusal:
                raise self._error(refusal) from None

    def snapshot(self) -> list[tuple[Any, Any]]:
        """items(), read in batches if the map type has them: for maps of thousands of elements."""
        keys = (self._key_type * _BATCH)()
        values = (ctypes.c_char * (_BATCH * self._value_stride()))()
        # An opaque cursor: an index, a bucket or a key (BPF_MAP_LOOKUP_BATCH in bpf(2)).
        cursor = ctypes.create_string_buffer(max(8, self.info.key_size))
        flags = options(BatchOptions)
        found: list[tuple[Any, Any]] = []
        first = True
        while True:
            length = ctypes.c_uint32(_BATCH)
            at_end = False
            try:
                lib.bpf_map_lookup_batch(
                    self.fd,
                    None if first else cursor,
                    cursor,
                    keys,
                    values,
                    ctypes.byref(length),
                    ctypes.byref(flags),
                )
            except KernelError as error:
                if first and error.errno in _NO_BATCH:
                    return list(self.items())
                if error.errno != errno.ENOENT:
                    raise self._error(error) from None
                at_end = True
            count = length.value
            found += zip(
                _decode_each(self._key_type, keys, count), self._decode_values(values, count), strict=True
            )
            if at_end:
                return found
            first = False

    def _value_stride(self) -> int:
        return int(self.info.value_size)

    def _decode_values(self, buffer: Any, count: int) -> Iterable[Any]:
        return _decode_each(self._value_type, buffer, count)


def _decode_each(ctype: CType, buffer: Any, count: int) -> list[Any]:
    """The first `count` elements in a buffer, as values of their own."""
    return [decode(each) for each in (ctype * count).from_buffer_copy(buffer)]


class PerCpuMap(Map):
    """A map with one value per key and CPU: lookups give a list with one element per possible CPU."""

    def _value_stride(self) -> int:
        return self._part() * possible_cpus()

    def _part(self) -> int:
        return int(self.info.value_size + 7) & ~7

    def _decode_value(self, buffer: Any, start: int = 0) -> list[Any]:
        return [
            decode(self._value_type.from_buffer_copy(buffer, start + cpu * self._part()))
            for cpu in range(possible_cpus())
        ]

    def _decode_values(self, buffer: Any, count: int) -> Iterable[Any]:
        return [self._decode_value(buffer, i * self._value_stride()) for i in range(count)]

    def _encode_value(self, value: Any) -> Any:
        """A list holds one value per CPU; anything else is the value for all of them."""
        each: Sequence[Any] = value if isinstance(value, list) else [value] * possible_cpus()
        if len(each) != possible_cpus():
            raise DataError(f"map {self.name}", f"{len(each)} values for {possible_cpus()} CPUs")
        parts = [bytes(encode(self._value_type, one)).ljust(self._part(), b"\0") for one in each]
        return (ctypes.c_char * self._value_stride()).from_buffer_copy(b"".join(parts))

    def get(self, key: Any, default: Any = None) -> Any:
        """The values of `key`, one per possible CPU, or `default`."""
        buffer = ctypes.create_string_buffer(self._value_stride())
        if not self._lookup(encode(self._key_type, key), buffer):
            return default
        return self._decode_value(buffer)

    def sum(self, key: Any) -> Any:
        """The values of `key` added up over the CPUs, member by member. Raises KeyError."""
        return total(self[key])


def open_map(source: int | str, btf: Btf | None = None) -> Map:
    """The map with that id (int) or pinned at that path (str), as a Map or PerCpuMap.

    Raises KernelError if there is none.
    """
    if isinstance(source, str):
        return map_of_descriptor(descriptor_by_pin("map", source), btf)
    fd = descriptor_by_id("map", source)
    if fd is None:
        raise kernel_error(f"map {source}", errno.ENOENT)
    return map_of_descriptor(fd, btf)


def map_of_descriptor(fd: int, btf: Btf | None = None) -> Map:
    """`fd`, owned from now on, as the class that fits its type."""
    try:
        kind = info_by_fd(fd, MapInfo()).type
    except KernelError:
        os.close(fd)
        raise
    return PerCpuMap(fd, btf) if kind in PERCPU_MAPS else Map(fd, btf)


def kernel_name(name: str) -> str:
    """The name in a running program of the map that the object file calls `name`.

    The kernel keeps 15 characters. A map of global variables is named by its section (``.data``) alone, since the
    part before it comes from the object file.
    """
    return "." + name.split(".", 1)[1] if "." in name else name[: BPF_OBJ_NAME_LEN - 1]
