"""Programs at tc ingress and egress: by tcx link since Linux 6.6, by clsact filter before.

Both run beside programs that are not ours, which is known by its link, or by the handle and priority below.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct

from ecbpf.errors import BusyError, KernelError, kernel_error
from ecbpf.kernel.libbpf import TcHook, TcOptions, lib, options
from ecbpf.kernel.link import Link
from ecbpf.kernel.probe import Answer, probe_tcx
from ecbpf.kernel.uapi import ATTACH_TCX_EGRESS, ATTACH_TCX_INGRESS, LINK_TCX

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from typing import Literal

    from ecbpf.kernel.program import Program

    Direction = Literal["ingress", "egress"]

__all__ = ["HANDLE", "PRIORITY", "ClsactFilter", "TcxLink", "attach_tc", "find_tcx_links", "tcx_programs"]

_ATTACH_TYPES = {"ingress": ATTACH_TCX_INGRESS, "egress": ATTACH_TCX_EGRESS}
_HOOKS = {"ingress": 1, "egress": 2}  # enum bpf_tc_attach_point
# <linux/rtnetlink.h>, <linux/pkt_sched.h>
_RTM_GETQDISC, _NLM_F_REQUEST, _NLM_F_ACK, _NLMSG_ERROR, _TCA_KIND, _CLSACT = 38, 1, 4, 2, 1, 0xFFFFFFF1
_ROOM = 16384
_TC_REPLACE = 1  # BPF_TC_F_REPLACE
_TCX_ROOM = 64  # BPF_MPROG_MAX, <linux/bpf_mprog.h>
HANDLE, PRIORITY = 0xECB, 1


class TcxLink(Link):
    """A link at tc."""

    @classmethod
    def create(cls, ifindex: int, program: Program, direction: Direction) -> TcxLink:
        """Attach after the programs that are there. Raises KernelError (EINVAL: a kernel before 6.6)."""
        return cls(lib.bpf_link_create(program.fd, ifindex, _ATTACH_TYPES[direction], None))


def tcx_programs(ifindex: int, direction: Direction) -> list[int]:
    """The ids of the programs at tcx in this network namespace, in the order in which packets meet them.

    Empty if there is no such interface, or no tcx (before Linux 6.6). Raises KernelError.
    """
    ids = (ctypes.c_uint32 * _TCX_ROOM)()
    count = ctypes.c_uint32(_TCX_ROOM)
    flags = ctypes.c_uint32(0)
    try:
        lib.bpf_prog_query(
            ifindex, _ATTACH_TYPES[direction], 0, ctypes.byref(flags), ctypes.byref(ids), ctypes.byref(count)
        )
    except KernelError as error:
        if error.errno in (errno.EINVAL, errno.ENODEV):
            return []
        raise
    return list(ids[: count.value])


def find_tcx_links(program_id: int, ifindex: int, direction: Direction) -> list[TcxLink]:
    """The tcx links of this program to interfaces with that index, in any namespace. Raises KernelError."""
    found = []
    for link in TcxLink.every(LINK_TCX):
        info = link.info
        if (info.prog_id, info.ifindex, info.attach_type) == (program_id, ifindex, _ATTACH_TYPES[direction]):
            found.append(link)
        else:
            link.close()
    return found


class ClsactFilter:
    """A program at tc as a direct-action filter of a clsact qdisc: it stays until detach() or the qdisc goes.

    The qdisc goes when the interface does, or moves to another network namespace.
    """

    def __init__(self, ifindex: int, direction: Direction) -> None:
        """Our filter there (HANDLE, PRIORITY), whether it exists or not."""
        self._hook = options(TcHook, ifindex=ifindex, attach_point=_HOOKS[direction])

    def put(self, program: Program) -> None:
        """Attach, or replace the filter at our handle; makes the qdisc if there is none.

        Raises KernelError, BusyError (an ingress qdisc is there, where clsact would go).
        """
        self._attach(program, _TC_REPLACE)

    def add(self, program: Program) -> None:
        """Like put(), but raises KernelError (EEXIST) if there is a filter at our handle."""
        self._attach(program, 0)

    def _attach(self, program: Program, flags: int) -> None:
        try:
            lib.bpf_tc_hook_create(ctypes.byref(self._hook))
        except KernelError as error:
            if error.errno != errno.EEXIST:
                raise
            if self._hook.attach_point == _HOOKS["egress"]:
                _require_clsact(self._hook.ifindex)
        wanted = options(TcOptions, prog_fd=program.fd, flags=flags, handle=HANDLE, priority=PRIORITY)
        try:
            lib.bpf_tc_attach(ctypes.byref(self._hook), ctypes.byref(wanted))
        except KernelError as error:
            if error.errno != errno.EINVAL:
                raise
            hint = f"does a filter of another kind or protocol have priority {PRIORITY}? see `tc filter show`"
            raise kernel_error("bpf_tc_attach", error.errno, hint) from None

    def program_id(self) -> int | None:
        """The id of the program at our handle, None if there is none. Raises KernelError."""
        wanted = options(TcOptions, handle=HANDLE, priority=PRIORITY)
        try:
            lib.bpf_tc_query(ctypes.byref(self._hook), ctypes.byref(wanted))
        except KernelError as error:
            if error.errno in (errno.ENOENT, errno.EINVAL):  # EINVAL: no clsact qdisc
                return None
            raise
        return int(wanted.prog_id)

    def detach(self) -> None:
        """Remove the filter; the qdisc stays, others may use it. Raises KernelError (ENOENT: none there)."""
        wanted = options(TcOptions, handle=HANDLE, priority=PRIORITY)
        lib.bpf_tc_detach(ctypes.byref(self._hook), ctypes.byref(wanted))


def _require_clsact(ifindex: int) -> None:
    """Raise BusyError if the qdisc there is ingress: it accepts filters for egress, but runs them at ingress.

    Asked for one kind, tc_get_qdisc() answers EINVAL if the qdisc is of another (net/sched/sch_api.c).
    """
    kind = struct.pack("=HH8s", 4 + len(b"clsact\0"), _TCA_KIND, b"clsact")
    message = struct.pack("=BxxxiIII", socket.AF_UNSPEC, ifindex, 0, _CLSACT, 0) + kind
    header = struct.pack("=IHHII", 16 + len(message), _RTM_GETQDISC, _NLM_F_REQUEST | _NLM_F_ACK, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as route:
        route.send(header + message)
        answer = route.recv(_ROOM)
    is_error = struct.unpack_from("=IH", answer)[1] == _NLMSG_ERROR
    if is_error and struct.unpack_from("=i", answer, 16)[0] == -errno.EINVAL:
        name = socket.if_indextoname(ifindex)
        raise BusyError(
            name,
            "it has an ingress qdisc, but a program at egress needs clsact, which does both",
            f"tc qdisc del dev {name} ingress, and let its owner use clsact",
        )


def attach_tc(ifindex: int, program: Program, direction: Direction) -> TcxLink | ClsactFilter:
    """Attach at tc: by tcx link if the kernel has tcx, else by clsact filter.

    Raises KernelError (EEXIST: this program is there already, or another at our handle), BusyError.
    """
    if probe_tcx() is Answer.YES:
        return TcxLink.create(ifindex, program, direction)
    filter_ = ClsactFilter(ifindex, direction)
    filter_.add(program)
    return filter_
