"""XDP on an interface: what is there, and putting a program there, by link or by netlink.

A link (Linux 5.9) is owned: while it exists nobody replaces its program by netlink, and it goes when its
last descriptor and pin go. A program put there by netlink stays until somebody takes it away.
"""

import ctypes
import errno
from typing import NamedTuple

from ecbpf.errors import KernelError
from ecbpf.kernel.descriptor import Descriptor, descriptor_by_id, descriptor_by_pin
from ecbpf.kernel.libbpf import (
    LinkCreateOptions,
    LinkUpdateOptions,
    XdpAttachOptions,
    XdpQueryOptions,
    info_by_fd,
    lib,
    options,
)
from ecbpf.kernel.program import Program
from ecbpf.kernel.uapi import (
    ATTACH_XDP,
    BPF_F_REPLACE,
    LINK_XDP,
    XDP_ATTACHED_DRV,
    XDP_ATTACHED_HW,
    XDP_ATTACHED_NONE,
    XDP_ATTACHED_SKB,
    XDP_FLAGS_DRV_MODE,
    XDP_FLAGS_REPLACE,
    XDP_FLAGS_SKB_MODE,
    LinkInfo,
)

__all__ = [
    "GENERIC",
    "NATIVE",
    "Attached",
    "XdpLink",
    "create_link",
    "detach_by_netlink",
    "find_links",
    "query",
    "replace_by_netlink",
]

NATIVE, GENERIC, OFFLOADED = "native", "generic", "offloaded"
_FLAGS = {NATIVE: XDP_FLAGS_DRV_MODE, GENERIC: XDP_FLAGS_SKB_MODE}
_MODES = {XDP_ATTACHED_DRV: NATIVE, XDP_ATTACHED_SKB: GENERIC, XDP_ATTACHED_HW: OFFLOADED}


class Attached(NamedTuple):
    """The program on an interface and its mode: NATIVE, GENERIC or "offloaded"."""

    program_id: int
    mode: str


def query(ifindex: int) -> Attached | None:
    """What runs on the interface, None if nothing does.

    Raises KernelError (ENODEV: no such interface in this namespace).
    """
    answer = options(XdpQueryOptions)
    lib.bpf_xdp_query(ifindex, 0, ctypes.byref(answer))
    if answer.attach_mode == XDP_ATTACHED_NONE:
        return None
    mode = _MODES.get(answer.attach_mode, NATIVE)
    # Offloaded beside another mode: the one that this machine's CPUs run is what we talk about.
    return Attached(answer.prog_id or answer.drv_prog_id or answer.skb_prog_id, mode)


class XdpLink(Descriptor):
    """The link between a program and an interface."""

    @classmethod
    def by_pin(cls, path: str) -> "XdpLink":
        """The link pinned at `path`. Raises KernelError."""
        return cls(descriptor_by_pin(path))

    @property
    def info(self) -> LinkInfo:
        """What the kernel says now: id, prog_id, ifindex (0: the interface is gone)."""
        info: LinkInfo = info_by_fd(self.fd, LinkInfo())
        return info

    def update(self, program: Program, expected: Program) -> None:
        """Replace the program between two packets, if `expected` is still the one there.

        Raises KernelError (EPERM: it is not; ENOLINK: the interface went away).
        """
        wanted = options(LinkUpdateOptions, flags=BPF_F_REPLACE, old_prog_fd=expected.fd)
        lib.bpf_link_update(self.fd, program.fd, ctypes.byref(wanted))

    def detach(self) -> None:
        """Take the program off the interface, whoever else holds or has pinned the link (Linux 5.10)."""
        lib.bpf_link_detach(self.fd)


def create_link(ifindex: int, program: Program, mode: str) -> XdpLink:
    """Attach by a new link; mode is NATIVE or GENERIC, never chosen silently.

    Raises KernelError (EBUSY, EEXIST: a program is there; EOPNOTSUPP: the driver has no XDP; EINVAL, ERANGE,
    E2BIG: it refuses the MTU or another setting; EINVAL too: a kernel without XDP links).
    """
    wanted = options(LinkCreateOptions, flags=_FLAGS[mode])
    return XdpLink(lib.bpf_link_create(program.fd, ifindex, ATTACH_XDP, ctypes.byref(wanted)))


def find_links(program_id: int, ifindex: int) -> list[XdpLink]:
    """The XDP links that run this program on interfaces with that index, of any namespace. Raises KernelError."""
    found: list[XdpLink] = []
    number = ctypes.c_uint32(0)
    while True:
        try:
            lib.bpf_link_get_next_id(number, ctypes.byref(number))
        except KernelError as error:
            if error.errno == errno.ENOENT:
                return found
            raise
        fd = descriptor_by_id("link", number.value)
        if fd is None:
            continue
        link = XdpLink(fd)
        info = link.info
        if (info.type, info.prog_id, info.ifindex) == (LINK_XDP, program_id, ifindex):
            found.append(link)
        else:
            link.close()


def replace_by_netlink(ifindex: int, program: Program, expected: Program, mode: str) -> None:
    """Replace a program that was attached by netlink, between two packets, if `expected` is still there.

    Raises KernelError (EEXIST: it is not; EBUSY: a link owns the place).
    """
    wanted = options(XdpAttachOptions, old_prog_fd=expected.fd)
    lib.bpf_xdp_attach(ifindex, program.fd, _FLAGS[mode] | XDP_FLAGS_REPLACE, ctypes.byref(wanted))


def detach_by_netlink(ifindex: int, expected: Program, mode: str) -> None:
    """Take away a program that was attached by netlink, if `expected` is still the one. Raises KernelError."""
    wanted = options(XdpAttachOptions, old_prog_fd=expected.fd)
    lib.bpf_xdp_attach(ifindex, -1, _FLAGS[mode] | XDP_FLAGS_REPLACE, ctypes.byref(wanted))
