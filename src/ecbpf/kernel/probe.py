"""What this kernel can do: asked of the kernel itself, never guessed from its version.

A probe that the caller may not make, or that fails in a way that says nothing, answers UNKNOWN. Each is
made once a process.
"""

import ctypes
import enum
import errno
import functools
import os

from ecbpf.errors import KernelError
from ecbpf.kernel.descriptor import Descriptor
from ecbpf.kernel.libbpf import ProgramLoadOptions, lib, options
from ecbpf.kernel.program import Program
from ecbpf.kernel.uapi import (
    ATTACH_TCX_EGRESS,
    ATTACH_XDP,
    BPF_F_XDP_HAS_FRAGS,
    PROG_SCHED_CLS,
    PROG_XDP,
)

__all__ = [
    "Answer",
    "probe_helper",
    "probe_kernel_btf",
    "probe_live_frames",
    "probe_map_type",
    "probe_program_type",
    "probe_tcx",
    "probe_xdp_frags",
    "probe_xdp_link",
]

_NO_INTERFACE = 0x7FFFFFFF


class Answer(enum.Enum):
    """Whether the kernel has the feature."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "cannot tell"


def _trivial_program(kind: int, flags: int = 0) -> Descriptor:
    """A loaded program that returns 2 (XDP_PASS; TC_ACT_SHOT for tc: it is never attached)."""
    # struct bpf_insn: r0 = 2; exit.
    instructions = bytes.fromhex("b7000000020000009500000000000000")
    wanted = options(ProgramLoadOptions, prog_flags=flags)
    return Descriptor(lib.bpf_prog_load(kind, b"ecbpf_probe", b"GPL", instructions, 2, ctypes.byref(wanted)))


def _judge(error: KernelError, no: frozenset[int] = frozenset({errno.EINVAL})) -> Answer:
    return Answer.NO if error.errno in no else Answer.UNKNOWN


def _of_libbpf(name: str, *arguments: int) -> Answer:
    try:
        return Answer.YES if getattr(lib, name)(*arguments, None) else Answer.NO
    except KernelError:
        return Answer.UNKNOWN


def _may_load() -> bool:
    """libbpf takes a load that is not permitted for one that is not supported: rule that out first."""
    try:
        _trivial_program(PROG_XDP).close()
    except KernelError as error:
        return error.errno != errno.EPERM
    return True


@functools.cache
def probe_program_type(kind: int) -> Answer:
    """Programs of that type (uapi.PROG_*)."""
    return _of_libbpf("libbpf_probe_bpf_prog_type", kind) if _may_load() else Answer.UNKNOWN


@functools.cache
def probe_map_type(kind: int) -> Answer:
    """Maps of that type (uapi.MAP_*)."""
    return _of_libbpf("libbpf_probe_bpf_map_type", kind) if _may_load() else Answer.UNKNOWN


@functools.cache
def probe_helper(program_kind: int, helper: int) -> Answer:
    """The helper with that number (enum bpf_func_id) in programs of that type."""
    return _of_libbpf("libbpf_probe_bpf_helper", program_kind, helper) if _may_load() else Answer.UNKNOWN


def _probe_link(kind: int, attach_type: int) -> Answer:
    """Links of an attach type: a kernel that knows them misses the interface before all else."""
    try:
        with _trivial_program(kind) as program:
            Descriptor(lib.bpf_link_create(program.fd, _NO_INTERFACE, attach_type, None)).close()
    except KernelError as error:
        return Answer.YES if error.errno == errno.ENODEV else _judge(error)
    return Answer.UNKNOWN


@functools.cache
def probe_xdp_link() -> Answer:
    """XDP programs attached by bpf_link (Linux 5.9, aa8d3a716b59)."""
    return _probe_link(PROG_XDP, ATTACH_XDP)


@functools.cache
def probe_tcx() -> Answer:
    """tc programs attached by bpf_link (Linux 6.6, e420bed02507)."""
    return _probe_link(PROG_SCHED_CLS, ATTACH_TCX_EGRESS)


@functools.cache
def probe_xdp_frags() -> Answer:
    """XDP programs on packets of several buffers (Linux 5.18, c2f2cdbeffda)."""
    try:
        _trivial_program(PROG_XDP, BPF_F_XDP_HAS_FRAGS).close()
    except KernelError as error:
        return _judge(error)
    return Answer.YES


@functools.cache
def probe_live_frames() -> Answer:
    """Test runs whose frames go through the network (Linux 5.18, b530e9e1063e)."""
    try:
        with _trivial_program(PROG_XDP) as loaded, Program(os.dup(loaded.fd)) as program:
            program.send_live(bytes(64), _NO_INTERFACE)
    except KernelError as error:
        return Answer.YES if error.errno == errno.ENODEV else _judge(error)
    return Answer.UNKNOWN


@functools.cache
def probe_kernel_btf() -> Answer:
    """The kernel's own types (CONFIG_DEBUG_INFO_BTF)."""
    return Answer.YES if os.path.exists("/sys/kernel/btf/vmlinux") else Answer.NO
