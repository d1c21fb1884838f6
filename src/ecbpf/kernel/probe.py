"""What this kernel can do: found by trying, never guessed from its version.

A probe that the caller is not permitted to make, or that fails for an unrelated reason, answers UNKNOWN.
Each is made once per process.
"""

from __future__ import annotations

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
_KERNEL_BTF = "/sys/kernel/btf/vmlinux"
_LOG_ROOM = 64 * 1024
_NOT_ALLOWED = frozenset({errno.EPERM, errno.EACCES, errno.ENOMEM})
# What the verifier says of a helper that it does not know, or not in this type of program (since Linux 6.10).
_NO_HELPER = (b"invalid func ", b"unknown func ", b"program of this type cannot use helper ")


class Answer(enum.Enum):
    """Whether the kernel has the feature."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "cannot tell"


def _load(kind: int, instructions: str, **wanted: int) -> Descriptor:
    """Load a program; instructions: struct bpf_insn in hexadecimal digits."""
    code = bytes.fromhex(instructions)
    made = options(ProgramLoadOptions, **wanted)
    return Descriptor(lib.bpf_prog_load(kind, b"ecbpf_probe", b"GPL", code, len(code) // 8, ctypes.byref(made)))


def _trivial_program(kind: int, flags: int = 0) -> Descriptor:
    """A loaded program that returns 2 (XDP_PASS; TC_ACT_SHOT for tc: it is never attached)."""
    return _load(kind, "b700000002000000 9500000000000000", prog_flags=flags)


def _judge(error: KernelError) -> Answer:
    return Answer.NO if error.errno == errno.EINVAL else Answer.UNKNOWN


def _of_libbpf(name: str, *arguments: int) -> Answer:
    """libbpf's own probe. It reports a load that was not permitted as not supported; errno tells them apart."""
    ctypes.set_errno(0)
    try:
        if getattr(lib, name)(*arguments, None):
            return Answer.YES
    except KernelError:
        return Answer.UNKNOWN
    return Answer.UNKNOWN if ctypes.get_errno() in _NOT_ALLOWED else Answer.NO


@functools.cache
def probe_program_type(kind: int) -> Answer:
    """Programs of that type (uapi.PROG_*)."""
    return _of_libbpf("libbpf_probe_bpf_prog_type", kind)


@functools.cache
def probe_map_type(kind: int) -> Answer:
    """Maps of that type (uapi.MAP_*)."""
    return _of_libbpf("libbpf_probe_bpf_map_type", kind)


@functools.cache
def probe_helper(program_kind: int, helper: int) -> Answer:
    """The helper with that number (enum bpf_func_id) in programs of that type.

    Not libbpf's probe: version 1.1 does not recognise how kernels since 6.10 refuse one, and answers yes.
    """
    log = ctypes.create_string_buffer(_LOG_ROOM)
    call_and_exit = f"85000000{helper.to_bytes(4, 'little').hex()} 9500000000000000"
    try:
        _load(program_kind, call_and_exit, log_level=1, log_size=_LOG_ROOM, log_buf=ctypes.addressof(log)).close()
    except KernelError:
        if not log.value:
            return Answer.UNKNOWN  # the verifier was not reached
        return Answer.NO if any(words in log.value for words in _NO_HELPER) else Answer.YES
    return Answer.YES


@functools.cache
def probe_xdp_link() -> Answer:
    """XDP programs attached by bpf_link (Linux 5.9, aa8d3a716b59).

    Not by trying: a link to a missing interface fails with EINVAL, as an unknown kind of link does. The
    kernel's BTF shows it.
    """
    try:
        with open(_KERNEL_BTF, "rb") as btf:
            return Answer.YES if b"\0bpf_xdp_link\0" in btf.read() else Answer.NO
    except OSError:
        return Answer.UNKNOWN


@functools.cache
def probe_tcx() -> Answer:
    """tc programs attached by bpf_link (Linux 6.6, e420bed02507): such a kernel reports the missing interface."""
    try:
        with _trivial_program(PROG_SCHED_CLS) as program:
            Descriptor(lib.bpf_link_create(program.fd, _NO_INTERFACE, ATTACH_TCX_EGRESS, None)).close()
    except KernelError as error:
        return Answer.YES if error.errno == errno.ENODEV else _judge(error)
    return Answer.UNKNOWN


@functools.cache
def probe_xdp_frags() -> Answer:
    """XDP programs on multi-buffer packets (Linux 5.18, c2f2cdbeffda)."""
    try:
        _trivial_program(PROG_XDP, BPF_F_XDP_HAS_FRAGS).close()
    except KernelError as error:
        return _judge(error)
    return Answer.YES


@functools.cache
def probe_live_frames() -> Answer:
    """Test runs that send real frames (Linux 5.18, b530e9e1063e)."""
    try:
        with _trivial_program(PROG_XDP) as loaded, Program(os.dup(loaded.fd)) as program:
            program.send_live(bytes(64), _NO_INTERFACE)
    except KernelError as error:
        return Answer.YES if error.errno == errno.ENODEV else _judge(error)
    return Answer.UNKNOWN


@functools.cache
def probe_kernel_btf() -> Answer:
    """The kernel's own types (CONFIG_DEBUG_INFO_BTF)."""
    return Answer.YES if os.path.exists(_KERNEL_BTF) else Answer.NO
