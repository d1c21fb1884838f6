"""The kernel's BPF objects in Python: libbpf.so.1 by ctypes, types from BTF. Knows nothing of slots.

The names below are loaded when they are first used: a status command does not pay for what it does not need.
"""

import importlib

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from ecbpf.kernel.globals import Globals, map_globals
    from ecbpf.kernel.map import Map, PerCpuMap, open_map
    from ecbpf.kernel.object import Object
    from ecbpf.kernel.program import Program, TestRun, open_program
    from ecbpf.kernel.ringbuf import RingBuffer
    from ecbpf.kernel.verifier import VerifierError

__all__ = [
    "Globals",
    "Map",
    "Object",
    "PerCpuMap",
    "Program",
    "RingBuffer",
    "TestRun",
    "VerifierError",
    "map_globals",
    "open_map",
    "open_program",
]

_HOMES = {
    "Globals": "globals",
    "Map": "map",
    "Object": "object",
    "PerCpuMap": "map",
    "Program": "program",
    "RingBuffer": "ringbuf",
    "TestRun": "program",
    "VerifierError": "verifier",
    "map_globals": "globals",
    "open_map": "map",
    "open_program": "program",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f"ecbpf.kernel.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
