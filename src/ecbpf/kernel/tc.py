"""Programs at tc ingress and egress: by tcx link where the kernel has it (6.6), by clsact filter below.

Both run beside other people's programs: ours is named by its link or by the handle and priority below.
"""

import ctypes
import errno
from typing import Literal

from ecbpf.errors import KernelError
from ecbpf.kernel.descriptor import Descriptor, descriptor_by_pin
from ecbpf.kernel.libbpf import LinkUpdateOptions, TcHook, TcOptions, info_by_fd, lib, options
from ecbpf.kernel.probe import Answer, probe_tcx
from ecbpf.kernel.program import Program
from ecbpf.kernel.uapi import ATTACH_TCX_EGRESS, ATTACH_TCX_INGRESS, BPF_F_REPLACE, LinkInfo

__all__ = ["ClsactFilter", "Direction", "TcxLink", "attach_tc"]

Direction = Literal["ingress", "egress"]

_ATTACH_TYPES = {"ingress": ATTACH_TCX_INGRESS, "egress": ATTACH_TCX_EGRESS}
_HOOKS = {"ingress": 1, "egress": 2}  # enum bpf_tc_attach_point
_TC_REPLACE = 1  # BPF_TC_F_REPLACE
HANDLE, PRIORITY = 0xECB, 1


class TcxLink(Descriptor):
    """A program at tc by link: it goes when the last descriptor and pin of the link go."""

    @classmethod
    def create(cls, ifindex: int, program: Program, direction: Direction) -> "TcxLink":
        """Attach behind those that are there. Raises KernelError (EINVAL: a kernel before 6.6)."""
        return cls(lib.bpf_link_create(program.fd, ifindex, _ATTACH_TYPES[direction], None))

    @classmethod
    def by_pin(cls, path: str) -> "TcxLink":
        """The link pinned at `path`. Raises KernelError."""
        return cls(descriptor_by_pin(path))

    @property
    def info(self) -> LinkInfo:
        """What the kernel says now: id, prog_id, ifindex (0: the interface is gone)."""
        info: LinkInfo = info_by_fd(self.fd, LinkInfo())
        return info

    def update(self, program: Program, expected: Program) -> None:
        """Replace the program between two packets, if `expected` is still there. Raises KernelError."""
        wanted = options(LinkUpdateOptions, flags=BPF_F_REPLACE, old_prog_fd=expected.fd)
        lib.bpf_link_update(self.fd, program.fd, ctypes.byref(wanted))

    def detach(self) -> None:
        """Take the program off, whoever else holds the link. Raises KernelError."""
        lib.bpf_link_detach(self.fd)


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
