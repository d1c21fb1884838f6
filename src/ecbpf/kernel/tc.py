"""Programs at tc ingress and egress: by tcx link where the kernel has it (6.6), by clsact filter below.

Both run beside other people's programs: ours is named by its link or by the handle and priority below.
"""

from __future__ import annotations

import ctypes
import errno

from ecbpf.errors import KernelError
from ecbpf.kernel.libbpf import TcHook, TcOptions, lib, options
from ecbpf.kernel.link import Link
from ecbpf.kernel.probe import Answer, probe_tcx
from ecbpf.kernel.uapi import ATTACH_TCX_EGRESS, ATTACH_TCX_INGRESS

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from typing import Literal

    from ecbpf.kernel.program import Program

    Direction = Literal["ingress", "egress"]

__all__ = ["ClsactFilter", "TcxLink", "attach_tc"]

_ATTACH_TYPES = {"ingress": ATTACH_TCX_INGRESS, "egress": ATTACH_TCX_EGRESS}
_HOOKS = {"ingress": 1, "egress": 2}  # enum bpf_tc_attach_point
_TC_REPLACE = 1  # BPF_TC_F_REPLACE
HANDLE, PRIORITY = 0xECB, 1


class TcxLink(Link):
    """A link at tc."""

    @classmethod
    def create(cls, ifindex: int, program: Program, direction: Direction) -> TcxLink:
        """Attach behind those that are there. Raises KernelError (EINVAL: a kernel before 6.6)."""
        return cls(lib.bpf_link_create(program.fd, ifindex, _ATTACH_TYPES[direction], None))


class ClsactFilter:
    """A program at tc as a direct-action filter of a clsact qdisc: it stays until detach() or the qdisc goes."""

    def __init__(self, ifindex: int, direction: Direction) -> None:
        """The filter of ours (HANDLE, PRIORITY) there, whether it exists or not."""
        self._hook = options(TcHook, ifindex=ifindex, attach_point=_HOOKS[direction])

    def put(self, program: Program) -> None:
        """Attach, or replace what stands at our handle; makes the qdisc if there is none. Raises KernelError."""
        try:
            lib.bpf_tc_hook_create(ctypes.byref(self._hook))
        except KernelError as error:
            if error.errno != errno.EEXIST:
                raise
        wanted = options(TcOptions, prog_fd=program.fd, flags=_TC_REPLACE, handle=HANDLE, priority=PRIORITY)
        lib.bpf_tc_attach(ctypes.byref(self._hook), ctypes.byref(wanted))

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


def attach_tc(ifindex: int, program: Program, direction: Direction) -> TcxLink | ClsactFilter:
    """Attach at tc in the best way that this kernel has. Raises KernelError."""
    if probe_tcx() is Answer.YES:
        return TcxLink.create(ifindex, program, direction)
    filter_ = ClsactFilter(ifindex, direction)
    filter_.put(program)
    return filter_
