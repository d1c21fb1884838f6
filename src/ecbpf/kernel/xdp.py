"""XDP programs on an interface: query, attach, replace, detach, by link or by netlink.

A link (Linux 5.9) ends when its last descriptor and pin are gone. A program attached by netlink stays until it
is detached.
"""

from __future__ import annotations

import ctypes

from ecbpf.kernel.libbpf import (
    LinkCreateOptions,
    XdpAttachOptions,
    XdpQueryOptions,
    lib,
    options,
)
from ecbpf.kernel.link import Link
from ecbpf.kernel.uapi import (
    ATTACH_XDP,
    LINK_XDP,
    XDP_ATTACHED_DRV,
    XDP_ATTACHED_HW,
    XDP_ATTACHED_NONE,
    XDP_ATTACHED_SKB,
    XDP_FLAGS_DRV_MODE,
    XDP_FLAGS_REPLACE,
    XDP_FLAGS_SKB_MODE,
)

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from ecbpf.kernel.program import Program

__all__ = [
    "GENERIC",
    "NATIVE",
    "OFFLOADED",
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


class Attached:
    """The program on an interface and its mode: NATIVE, GENERIC or "offloaded"."""

    __slots__ = ("mode", "program_id")

    def __init__(self, program_id: int, mode: str) -> None:
        self.program_id = program_id
        self.mode = mode

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attached) and (self.program_id, self.mode) == (other.program_id, other.mode)

    def __hash__(self) -> int:
        return hash((self.program_id, self.mode))


def query(ifindex: int) -> Attached | None:
    """The program on the interface, None if there is none or this namespace has no such interface.

    Raises KernelError.
    """
    answer = options(XdpQueryOptions)
    lib.bpf_xdp_query(ifindex, 0, ctypes.byref(answer))
    if answer.attach_mode == XDP_ATTACHED_NONE:
        return None
    mode = _MODES.get(answer.attach_mode, NATIVE)
    # With another program offloaded to the NIC: ours is the one that the CPUs run.
    return Attached(answer.prog_id or answer.drv_prog_id or answer.skb_prog_id, mode)


class XdpLink(Link):
    """A link at XDP: while it exists, its program cannot be replaced by netlink."""


def create_link(ifindex: int, program: Program, mode: str) -> XdpLink:
    """Attach by a new link; mode is NATIVE or GENERIC, never chosen silently.

    Raises KernelError (EBUSY, EEXIST: a program is there; EOPNOTSUPP: the driver has no XDP; EINVAL, ERANGE,
    E2BIG: the driver refuses the MTU or another setting; EINVAL also: a kernel without XDP links).
    """
    wanted = options(LinkCreateOptions, flags=_FLAGS[mode])
    return XdpLink(lib.bpf_link_create(program.fd, ifindex, ATTACH_XDP, ctypes.byref(wanted)))


def find_links(program_id: int, ifindex: int) -> list[XdpLink]:
    """The XDP links of this program to interfaces with that index, in any namespace. Raises KernelError."""
    found = []
    for link in XdpLink.every(LINK_XDP):
        info = link.info
        if (info.prog_id, info.ifindex) == (program_id, ifindex):
            found.append(link)
        else:
            link.close()
    return found


def replace_by_netlink(ifindex: int, program: Program, expected: Program, mode: str) -> None:
    """Replace a program that was attached by netlink, between two packets, if it is still `expected`.

    Raises KernelError (EEXIST: another program is there; EBUSY: a link holds it).
    """
    wanted = options(XdpAttachOptions, old_prog_fd=expected.fd)
    lib.bpf_xdp_attach(ifindex, program.fd, _FLAGS[mode] | XDP_FLAGS_REPLACE, ctypes.byref(wanted))


def detach_by_netlink(ifindex: int, expected: Program, mode: str) -> None:
    """Take off a program that was attached by netlink, if it is still `expected`. Raises KernelError."""
    wanted = options(XdpAttachOptions, old_prog_fd=expected.fd)
    lib.bpf_xdp_attach(ifindex, -1, _FLAGS[mode] | XDP_FLAGS_REPLACE, ctypes.byref(wanted))
