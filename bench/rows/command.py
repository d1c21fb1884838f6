"""What a command costs as a process, compared with Python that does nothing.

The processes run in a network namespace of their own with a veth pair: eth0 with a root array, eth1 bare.
The benchmark enters it before it starts a process, outside the time that is measured, so that no `nsenter` counts.
"""

from collections.abc import Callable
from contextlib import ExitStack

from bench.harness import Row
from bench.network import Network
from bench.processes import SCRIPT, interpreter, run
from bench.testrun import compiled
from ecbpf.chain.slots import put
from ecbpf.chain.subprogram import FileSubprogram

__all__ = ["ROWS"]

_FILLED = (1, 2, 5, 6)
_STATUS_LIMIT = 4


def _process(command: list[str], *, chain: bool = False) -> Callable[[ExitStack], Callable[[], float]]:
    """The time from starting a process to its end. chain: with a root array on eth0."""

    def setup(stack: ExitStack) -> Callable[[], float]:
        network = Network(stack)
        if chain:
            network.attach(stack)
            with network.entered():
                for slot in _FILLED:
                    put("eth0", FileSubprogram(slot, compiled("pass")))

        def once() -> float:
            with network.entered():
                return run(command)

        return once

    return setup


ROWS = [
    Row("command", "floor", "python3 -c pass", _process([*interpreter(), "-c", "pass"])),
    Row("command", "version", "ecbpf --version", _process([SCRIPT, "--version"]), "floor", ratio=True),
    Row(
        "command",
        "status-bare",
        "ecbpf status --json, two interfaces without a root array",
        _process([SCRIPT, "status", "--json"]),
        "floor",
        ratio=True,
    ),
    Row(
        "command",
        "status",
        "ecbpf status --json, one of them with a root array, four slots full",
        _process([SCRIPT, "status", "--json"], chain=True),
        "floor",
        ratio=True,
        limit=_STATUS_LIMIT,
    ),
]
