"""File descriptors of kernel objects: owned, closed once, pinned by path."""

import errno
import os
from types import TracebackType
from typing import Self

from ecbpf.errors import KernelError, kernel_error
from ecbpf.kernel.libbpf import lib

__all__ = ["Descriptor", "descriptor_by_id", "descriptor_by_pin"]


class Descriptor:
    """Owns the file descriptor of a program, map, link or BTF; the kernel object lives as long as one is open."""

    def __init__(self, fd: int) -> None:
        """fd: an open descriptor, which this object closes."""
        self.fd = fd

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def pin(self, path: str) -> None:
        """Give the kernel object a name in bpffs. Raises KernelError (FileExistsError's EEXIST among others)."""
        try:
            lib.bpf_obj_pin(self.fd, os.fsencode(path))
        except KernelError as error:
            raise kernel_error(path, error.errno, error.way_out) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def descriptor_by_pin(path: str) -> int:
    """A new file descriptor of what is pinned at `path`. Raises KernelError (ENOENT: nothing is)."""
    try:
        return int(lib.bpf_obj_get(os.fsencode(path)))
    except KernelError as error:
        raise kernel_error(path, error.errno, error.way_out) from None


def descriptor_by_id(kind: str, number: int) -> int | None:
    """A new file descriptor of the "prog", "map", "link" or "btf" with that id, None if there is none any more."""
    try:
        return int(getattr(lib, f"bpf_{kind}_get_fd_by_id")(number))
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.EAGAIN):  # EAGAIN: a link that is not settled yet or any more
            return None
        raise
