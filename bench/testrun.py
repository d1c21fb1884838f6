"""Kernel programs on their bench: compiled, loaded without an interface, run by BPF_PROG_TEST_RUN.

What is timed is the whole call, by this thread's CPU time, over a million runs. The kernel's own `duration` is
in whole nanoseconds, cut off: useless where 1 ns matters. The wall clock is of no use either: a call with more
than one run waits about 16 ms for an RCU grace period (bpf_prog_change_xdp() puts the program into the XDP
dispatcher and takes it out), and counts what others do on the CPU; CPU time counts neither. The call itself is
some 0.5 ms of CPU time; calls of two runs give that figure, and it is taken off.
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
    """The object made of bench/bpf/NAME.bpf.c or bpf/NAME.bpf.c: compiled now, so never stale, never DEBUG."""
    sources = [os.path.join(folder, f"{name}.bpf.c") for folder in (os.path.join(_HERE, "bpf"), _BPF)]
    target = os.path.join(_folder().name, f"{name}.bpf.o")
    compile_object(next(path for path in sources if os.path.exists(path)), target)
    return target


def load_program(stack: ExitStack, path: str, program: str = "") -> Program:
    """The program of an object with maps of its own; program: which, if there are several."""
    new = stack.enter_context(Object.open(path))
    new.load()
    return new.programs[program or new.program_names[0]]


def load_chain(stack: ExitStack, subprograms: dict[int, str], root: str = "") -> Program:
    """A root array without an interface, with these objects in its slots. root: its object, if not ours."""
    return load_slots(stack, subprograms, root)[0]


def load_slots(
    stack: ExitStack,
    subprograms: dict[int, str],
    root: str = "",
    configure: Mapping[int, Callable[[Object], None]] = MappingProxyType({}),
) -> tuple[Program, dict[int, Object]]:
    """As load_chain(); and what is in the slots, to fill its maps. configure: by slot, what sets it up before."""
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
    """A program that gives each run the next one of SOURCES sources, and goes on to `program`."""
    first = stack.enter_context(Object.open(compiled("sources")))
    first.load()
    memory = np.frombuffer(first.maps["sources"].memory(), ">u8").reshape(SOURCES, 2)
    memory[:, 0], memory[:, 1] = sources["upper"], sources["lower"]
    first.maps["measured"][0] = program
    return first.programs[f"xdp_source_ip{family}"]


def timed(
    program: Program, packet: str, *, verdict: int | None = None, repeat: int = REPEAT
) -> Callable[[], float]:
    """A measurement for a Row: nanoseconds a run on that packet; the first has to end in the verdict, if given."""
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
