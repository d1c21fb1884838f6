"""Compile kernel programs, load them without an interface, and time them by BPF_PROG_TEST_RUN.

Timed is the CPU time that this thread needs for a call of a million runs. The kernel's own `duration` is rounded
down to whole nanoseconds: useless where 1 ns matters. The wall clock is no better: a call with more than one run
waits about 16 ms for an RCU grace period (bpf_prog_change_xdp() puts the program into the XDP dispatcher and takes
it out), and it includes other processes on the CPU. The call itself takes about 0.5 ms of CPU time; calls of two
runs measure that, and it is subtracted.
"""

import ctypes
import functools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from types import MappingProxyType

import numpy as np

from bench.packets import PACKETS
from bench.prefixes import SOURCES
from ecbpf.build import compile_object
from ecbpf.chain.sharing import CHAIN_MAPS
from ecbpf.filter.prefix import Rows
from ecbpf.kernel.libbpf import TestRunOptions, lib, options
from ecbpf.kernel.object import Object
from ecbpf.kernel.program import Program

__all__ = ["REPEAT", "cold_sources", "compiled", "load_chain", "load_program", "load_slots", "timed"]

REPEAT = 1_000_000
_HERE = os.path.dirname(os.path.abspath(__file__))
_BPF = os.path.join(os.path.dirname(_HERE), "bpf")


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ecbpf-bench-")


@functools.cache
def compiled(name: str) -> str:
    """The object of bench/bpf/NAME.bpf.c or bpf/NAME.bpf.c, compiled by this run: never stale, never DEBUG."""
    sources = [os.path.join(folder, f"{name}.bpf.c") for folder in (os.path.join(_HERE, "bpf"), _BPF)]
    target = os.path.join(_folder().name, f"{name}.bpf.o")
    compile_object(next(path for path in sources if os.path.exists(path)), target)
    return target


def load_program(stack: ExitStack, path: str, program: str = "") -> Program:
    """Load an object with its own maps, and return its program; program: which one, if there are several."""
    new = stack.enter_context(Object.open(path))
    new.load()
    return new.programs[program or new.program_names[0]]


def load_chain(stack: ExitStack, subprograms: dict[int, str], root: str = "") -> Program:
    """A root array without an interface, with these objects in its slots. root: its object, if it is not ours."""
    return load_slots(stack, subprograms, root)[0]


def load_slots(
    stack: ExitStack,
    subprograms: dict[int, str],
    root: str = "",
    configure: Mapping[int, Callable[[Object], None]] = MappingProxyType({}),
) -> tuple[Program, dict[int, Object]]:
    """As load_chain(), and the objects in the slots. configure: by slot, what prepares an object for the load."""
    loaded = {}
    head = stack.enter_context(Object.open(root or compiled("root")))
    head.load()
    for slot, path in subprograms.items():
        new = stack.enter_context(Object.open(path))
        new.globals.chain_slot = slot
        for name in CHAIN_MAPS:
            if name in new.map_names:
                new.share_map(name, head.maps[name])
        if slot in configure:
            configure[slot](new)
        new.load()
        head.maps["xdp_program_array"][slot] = new.programs[new.program_names[0]]
        loaded[slot] = new
    head.globals.chain_occupied = _bits(subprograms)
    return head.programs[head.program_names[0]], loaded


def _bits(slots: Iterable[int]) -> int:
    return sum(1 << slot for slot in slots)


def cold_sources(stack: ExitStack, program: Program, family: int, sources: Rows) -> Program:
    """A program that gives each run the next of SOURCES source addresses, and goes on to `program`."""
    first = stack.enter_context(Object.open(compiled("sources")))
    first.load()
    memory = np.frombuffer(first.maps["sources"].memory(), ">u8").reshape(SOURCES, 2)
    memory[:, 0], memory[:, 1] = sources["upper"], sources["lower"]
    first.maps["measured"][0] = program
    return first.programs[f"xdp_source_ip{family}"]


def timed(
    program: Program, packet: str, *, verdict: int | None = None, repeat: int = REPEAT
) -> Callable[[], float]:
    """A measurement for a Row: nanoseconds per run on that packet. verdict: what the first run must return."""
    overhead = _call_overhead()
    result = program.test_run(PACKETS[packet]).retval
    assert verdict in (None, result), f"{program.name} gives {result} for {packet}, not {verdict}"

    def once() -> float:
        return (_cpu_time(program, PACKETS[packet], repeat) - overhead) / repeat

    return once


def _cpu_time(program: Program, frame: bytes, repeat: int) -> int:
    data = ctypes.create_string_buffer(frame, len(frame))
    run = options(TestRunOptions, data_in=ctypes.addressof(data), data_size_in=len(frame), repeat=repeat)
    begin = time.thread_time_ns()
    lib.bpf_prog_test_run_opts(program.fd, ctypes.byref(run))
    return time.thread_time_ns() - begin


@functools.cache
def _call_overhead() -> float:
    with ExitStack() as stack:
        floor = load_program(stack, compiled("floor"))
        return statistics.median(_cpu_time(floor, PACKETS["ipv4-udp"], 2) for _ in range(15))
