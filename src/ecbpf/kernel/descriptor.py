"""File descriptors of kernel objects: owned, closed once, pinned by path."""

from __future__ import annotations

import errno
import os

from ecbpf.errors import KernelError, kernel_error
from ecbpf.kernel.closing import Closing
from ecbpf.kernel.libbpf import lib

__all__ = ["Descriptor", "descriptor_by_id", "descriptor_by_pin"]


class Descriptor(Closing):
    """Owns the file descriptor of a program, map, link or BTF; the kernel object lives as long as one is open."""

    fd = -1

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
            raise kernel_error(path, error.errno, error.hint) from None


def descriptor_by_pin(kind: str, path: str) -> int:
    """A new file descriptor of the "prog", "map" or "link" pinned at `path`.

    Raises KernelError (ENOENT: nothing is pinned there; EINVAL: something of another kind is).
    """
    try:
        fd = int(lib.bpf_obj_get(os.fsencode(path)))
    except KernelError as error:
        raise kernel_error(path, error.errno, error.hint) from None
    # anon_inode:bpf-map, bpf-prog, bpf_link; the info call does not tell them apart.
    found = os.readlink(f"/proc/self/fd/{fd}").removeprefix("anon_inode:")
    if found.replace("_", "-") != f"bpf-{kind}":
        os.close(fd)
        raise kernel_error(path, errno.EINVAL, f"what is pinned there is a {found}, not a bpf-{kind}")
    return fd


def descriptor_by_id(kind: str, number: int) -> int | None:
    """A new file descriptor of the "prog", "map", "link" or "btf" with that id, None if it no longer exists."""
    try:
        return int(getattr(lib, f"bpf_{kind}_get_fd_by_id")(number))
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.EAGAIN):  # EAGAIN: a link that is being created or destroyed
            return None
        raise
