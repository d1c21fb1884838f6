"""Loaded programs: their properties, and test runs on a packet."""

from __future__ import annotations

import ctypes
import errno
import struct
import time

from ecbpf.errors import kernel_error
from ecbpf.kernel.descriptor import Descriptor, descriptor_by_id, descriptor_by_pin
from ecbpf.kernel.libbpf import TestRunOptions, info_by_fd, lib, options
from ecbpf.kernel.uapi import BPF_F_TEST_XDP_LIVE_FRAMES, BPF_OBJ_NAME_LEN, ProgramInfo
from ecbpf.kernel.values import btf_by_id

__all__ = ["Program", "TestRun", "open_program"]

_OUTPUT_ROOM = 64 * 1024  # a program may grow its packet


class TestRun:
    """The result of a test run: verdict, packet and context afterwards, nanoseconds per repetition."""

    __slots__ = ("context", "data", "duration", "retval")

    def __init__(self, retval: int, data: bytes, context: bytes, duration: int) -> None:
        self.retval = retval
        self.data = data
        self.context = context
        self.duration = duration


class Program(Descriptor):
    """A loaded program."""

    def __init__(self, fd: int) -> None:
        """fd: an open program, owned from now on."""
        super().__init__(fd)
        self.info = info_by_fd(fd, ProgramInfo())
        self.id: int = self.info.id
        self.name: str = self.info.name.decode()

    @property
    def load_time(self) -> int:
        """Nanoseconds between the boot of the machine (CLOCK_BOOTTIME) and the load."""
        return int(self.info.load_time)

    @property
    def load_date(self) -> float:
        """The time of the load in seconds since 1970, by the current system clock."""
        boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return boot + self.load_time / 1e9

    def full_name(self) -> str:
        """The whole name in C, from BTF: the kernel itself keeps 15 characters. Raises KernelError."""
        if len(self.name) < BPF_OBJ_NAME_LEN - 1 or not self.info.btf_id or not self.info.nr_func_info:
            return self.name
        # struct bpf_func_info: an instruction's offset and the id of the FUNC that begins there.
        records = ctypes.create_string_buffer(self.info.nr_func_info * self.info.func_info_rec_size)
        wanted = ProgramInfo(
            func_info=ctypes.addressof(records),
            nr_func_info=self.info.nr_func_info,
            func_info_rec_size=self.info.func_info_rec_size,
        )
        info_by_fd(self.fd, wanted)
        (type_id,) = struct.unpack_from("=I", records, 4)
        name: str = btf_by_id(self.info.btf_id).types[type_id].name
        return name

    def map_ids(self) -> list[int]:
        """The ids of the maps that the program uses. Raises KernelError."""
        if not self.info.nr_map_ids:
            return []
        ids = (ctypes.c_uint32 * self.info.nr_map_ids)()
        info_by_fd(self.fd, ProgramInfo(nr_map_ids=len(ids), map_ids=ctypes.addressof(ids)))
        return list(ids)

    def bind_map(self, map_: Descriptor) -> None:
        """Keep the map alive as long as the program, even if unused by it (Linux 5.10). Raises KernelError."""
        lib.bpf_prog_bind_map(self.fd, map_.fd, None)
        self.info = info_by_fd(self.fd, ProgramInfo())

    def test_run(self, data: bytes, *, context: bytes = b"", repeat: int = 1) -> TestRun:
        """Run the program on a packet (BPF_PROG_TEST_RUN); nothing reaches any interface.

        data: the frame from its Ethernet header on; 14 bytes or more. context: the struct xdp_md or __sk_buff
        for the program. repeat: the number of runs; `duration` is their mean, and the packet is not restored
        between them. Raises KernelError (EINVAL: the kernel does not accept the packet).
        """
        room = ctypes.create_string_buffer(len(data) + _OUTPUT_ROOM)
        packet = ctypes.create_string_buffer(data, len(data))
        run = options(
            TestRunOptions,
            data_in=ctypes.addressof(packet),
            data_size_in=len(data),
            data_out=ctypes.addressof(room),
            data_size_out=len(room),
            repeat=repeat,
        )
        context_in = ctypes.create_string_buffer(context, len(context))
        context_out = ctypes.create_string_buffer(len(context) or 1)
        if context:
            run.ctx_in, run.ctx_size_in = ctypes.addressof(context_in), len(context)
            run.ctx_out, run.ctx_size_out = ctypes.addressof(context_out), len(context)
        lib.bpf_prog_test_run_opts(self.fd, ctypes.byref(run))
        return TestRun(
            run.retval, room.raw[: run.data_size_out], context_out.raw[: run.ctx_size_out], run.duration
        )

    def send_live(self, data: bytes, ifindex: int, *, repeat: int = 1, batch: int = 64) -> None:
        """Run an XDP program on `repeat` real frames as if an interface had received them; its verdicts apply.

        ifindex: the receiving interface. XDP_TX sends them out there, XDP_PASS up the stack. batch: frames per
        driver poll, 256 at most; veth's ring holds 256, so that large batches lose frames there. Since
        Linux 5.18; raises KernelError (EINVAL: an older kernel).
        """
        packet = ctypes.create_string_buffer(data, len(data))
        # struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
        context = (ctypes.c_uint32 * 6)(0, len(data), 0, ifindex, 0, 0)
        run = options(
            TestRunOptions,
            data_in=ctypes.addressof(packet),
            data_size_in=len(data),
            ctx_in=ctypes.addressof(context),
            ctx_size_in=ctypes.sizeof(context),
            repeat=repeat,
            flags=BPF_F_TEST_XDP_LIVE_FRAMES,
            batch_size=batch,
        )
        lib.bpf_prog_test_run_opts(self.fd, ctypes.byref(run))


def open_program(source: int | str) -> Program:
    """The program with that id (int) or pinned at that path (str). Raises KernelError if there is none."""
    if isinstance(source, str):
        return Program(descriptor_by_pin("prog", source))
    fd = descriptor_by_id("prog", source)
    if fd is None:
        raise kernel_error(f"program {source}", errno.ENOENT)
    return Program(fd)
