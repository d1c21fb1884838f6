"""Links, which hold programs on interfaces."""

from __future__ import annotations

import ctypes
import errno

from ecbpf.errors import KernelError
from ecbpf.kernel.descriptor import Descriptor, descriptor_by_id, descriptor_by_pin
from ecbpf.kernel.libbpf import LinkUpdateOptions, info_by_fd, lib, options
from ecbpf.kernel.uapi import BPF_F_REPLACE, LinkInfo

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from ecbpf.kernel.program import Program

__all__ = ["Link"]


class Link(Descriptor):
    """The link between a program and an interface: it ends when its last descriptor and pin are gone."""

    @classmethod
    def by_pin(cls, path: str) -> Self:
        """The link pinned at `path`. Raises KernelError."""
        return cls(descriptor_by_pin("link", path))

    @property
    def info(self) -> LinkInfo:
        """The link's current state: id, prog_id, ifindex (0: the interface is gone)."""
        info: LinkInfo = info_by_fd(self.fd, LinkInfo())
        return info

    @classmethod
    def every(cls, kind: int) -> Iterator[Self]:
        """Every link of that kind (uapi.LINK_*), in all namespaces; the caller closes each.

        Raises KernelError.
        """
        number = ctypes.c_uint32(0)
        while True:
            try:
                lib.bpf_link_get_next_id(number, ctypes.byref(number))
            except KernelError as error:
                if error.errno == errno.ENOENT:
                    return
                raise
            fd = descriptor_by_id("link", number.value)
            if fd is None:
                continue
            link = cls(fd)
            if link.info.type == kind:
                yield link
            else:
                link.close()

    def update(self, program: Program, expected: Program) -> None:
        """Replace the program between two packets, if it is still `expected`.

        Raises KernelError (EPERM: another program is there; ENOLINK: the interface is gone).
        """
        wanted = options(LinkUpdateOptions, flags=BPF_F_REPLACE, old_prog_fd=expected.fd)
        lib.bpf_link_update(self.fd, program.fd, ctypes.byref(wanted))

    def detach(self) -> None:
        """Take the program off the interface, even if others hold or have pinned the link (Linux 5.10)."""
        lib.bpf_link_detach(self.fd)
