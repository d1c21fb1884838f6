"""What a function that is called costs a subprogram, beside one that is inlined (BPF-to-BPF calls)."""

from collections.abc import Callable
from contextlib import ExitStack

from bench.harness import Row
from bench.testrun import compiled, load_program, timed
from ecbpf.kernel.uapi import XDP_PASS

__all__ = ["ROWS"]


def _program(name: str, program: str = "") -> Callable[[ExitStack], Callable[[], float]]:
    return lambda stack: timed(load_program(stack, compiled(name), program), "ipv4-udp", verdict=XDP_PASS)


ROWS = [
    Row("calls", "floor", "a bare `return XDP_PASS`", _program("floor")),
    Row(
        "calls",
        "inlined",
        "a subprogram that passes on, its work inlined",
        _program("calls", "xdp_inlined"),
        "floor",
    ),
    Row("calls", "static", "and in a static function", _program("calls", "xdp_static"), "inlined"),
    Row("calls", "global", "and in a global function", _program("calls", "xdp_global"), "inlined"),
    Row(
        "calls",
        "tail",
        "inlined, but the tail calls in a static function",
        _program("calls", "xdp_tail"),
        "inlined",
    ),
]
