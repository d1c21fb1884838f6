"""BPF ring buffers, drained through the memory that they share with the kernel.

Layout (kernel/bpf/ringbuf.c): a page with the consumer's position, a page with the producer's, the data twice
in a row so that no record wraps. A record is an 8-byte header (length with two flag bits) and its bytes,
rounded up to 8.
"""

from __future__ import annotations

import ctypes
import mmap
import select
import struct

from ecbpf.errors import DataError, kernel_error
from ecbpf.kernel.closing import Closing
from ecbpf.kernel.uapi import MAP_RINGBUF

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from ecbpf.kernel.map import Map

__all__ = ["RingBuffer"]

_BUSY, _DISCARDED = 1 << 31, 1 << 30  # BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT
_LENGTH = _DISCARDED - 1
_HEADER = 8
_header = struct.Struct("<I")


class RingBuffer(Closing):
    """The consumer of a ring buffer map, which may have only one at a time."""

    _poll: select.epoll | None = None

    def __init__(self, map_: Map) -> None:
        """map_: an open BPF_MAP_TYPE_RINGBUF, which the caller keeps open.

        Raises DataError if it is of another type, KernelError.
        """
        if map_.info.type != MAP_RINGBUF:
            raise DataError(f"map {map_.name}", "is not a ring buffer")
        self._size = map_.info.max_entries
        page = mmap.PAGESIZE
        try:
            self._ours = mmap.mmap(map_.fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            self._theirs = mmap.mmap(map_.fd, page + 2 * self._size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        except OSError as error:
            raise kernel_error(f"map {map_.name}", error.errno or 0) from None
        self._consumer = ctypes.c_uint64.from_buffer(self._ours)
        self._view = memoryview(self._theirs)
        self._producer = self._view[:8].cast("Q")
        self._data = self._view[page:]
        self._poll = select.epoll()
        self._poll.register(map_.fd, select.EPOLLIN)

    def wait(self, timeout: float) -> bool:
        """Wait for records, at most `timeout` seconds; true if there may be some."""
        assert self._poll is not None  # open
        return self._consumer.value < self._producer[0] or bool(self._poll.poll(timeout))

    def drain(self, limit: int = 65536) -> list[bytes]:
        """The records that are ready, oldest first, at most `limit`; their room is free for the kernel again."""
        position, produced = self._consumer.value, self._producer[0]
        data, mask, header = self._data, self._size - 1, _header.unpack_from
        records: list[bytes] = []
        while position < produced and len(records) < limit:
            at = position & mask
            (word,) = header(data, at)
            if word & _BUSY:
                break
            length = word & _LENGTH
            if not word & _DISCARDED:
                records.append(bytes(data[at + _HEADER : at + _HEADER + length]))
            position += (_HEADER + length + 7) & ~7
        self._consumer.value = position
        return records

    def close(self) -> None:
        """Unmap; a second call does nothing."""
        if self._poll is not None:
            self._poll.close()
            self._poll = None
            for view in (self._producer, self._data, self._view):
                view.release()
            del self._consumer
            self._ours.close()
            self._theirs.close()
