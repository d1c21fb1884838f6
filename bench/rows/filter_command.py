"""What the filter's commands cost as processes, with a million prefixes: seconds, and memory.

They run in a network namespace of their own, on eth0 of a veth pair with the root array and the filter.
"""

import functools
import itertools
import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack

from bench.harness import Row
from bench.network import Network
from bench.prefixes import MILLION, prefixes
from bench.processes import SCRIPT, peak, run
from ecbpf.filter.prefix import text_of

__all__ = ["ROWS"]

_LOAD_LIMIT, _DROP_LIMIT, _PEAK_LIMIT = 6, 1, 600
_ROUNDS = 3
_NANOSECONDS = 1e9
_Setup = Callable[[ExitStack], Callable[[], float]]


@functools.cache
def _network(stack: ExitStack, _family: int) -> Network:
    """A network with a filter on eth0, one per family: it holds what the family's other rows have listed."""
    network = Network(stack)
    network.attach(stack)
    network.run(SCRIPT, "filter", "attach", "-i", "eth0")
    return network


@functools.cache
def _file(stack: ExitStack, family: int) -> str:
    """A file of a million lines, each with one of a thousand prefix tags."""
    rows = prefixes(family, MILLION)
    tags = itertools.cycle(f"case {number}" for number in range(1000))
    numbers = zip(rows["upper"].tolist(), rows["lower"].tolist(), rows["length"].tolist(), tags, strict=False)
    path = os.path.join(stack.enter_context(tempfile.TemporaryDirectory(prefix="ecbpf-bench-")), "prefixes")
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"{text_of(family, *address)} {tag}\n" for *address, tag in numbers)
    return path


def _loading(measured: Callable[[list[str]], float], family: int) -> _Setup:
    def setup(stack: ExitStack) -> Callable[[], float]:
        network = _network(stack, family)
        command = [SCRIPT, "filter", "load", "-i", "eth0", _file(stack, family), "--replace"]

        def once() -> float:
            with network.entered():
                return measured(command)

        return once

    return setup


def _dropping(measured: Callable[[list[str]], float]) -> _Setup:
    """Drop one more prefix each time, a new one."""

    def setup(stack: ExitStack) -> Callable[[], float]:
        network = _network(stack, 4)
        network.run(SCRIPT, "filter", "load", "-i", "eth0", _file(stack, 4), "--replace")
        numbers = itertools.count(1)

        def once() -> float:
            with network.entered():
                return measured([SCRIPT, "filter", "drop", "-i", "eth0", f"192.168.56.{next(numbers)}"])

        return once

    return setup


def _seconds(command: list[str]) -> float:
    return run(command) / _NANOSECONDS


_row = functools.partial(Row, "filter-command", rounds=_ROUNDS)
ROWS = [
    *(
        _row(
            f"load-ip{family}",
            f"ecbpf filter load --replace, a million lines of IPv{family} with tags",
            _loading(_seconds, family),
            unit="s",
            limit=_LOAD_LIMIT,
        )
        for family in (4, 6)
    ),
    _row(
        "drop", "ecbpf filter drop of one prefix, to a million", _dropping(_seconds), unit="s", limit=_DROP_LIMIT
    ),
    *(
        _row(
            f"load-peak-ip{family}",
            "the most memory of the same load",
            _loading(peak, family),
            unit="MiB",
            limit=_PEAK_LIMIT,
            rounds=1,
        )
        for family in (4, 6)
    ),
    _row("drop-peak", "of the drop", _dropping(peak), unit="MiB", limit=_PEAK_LIMIT, rounds=1),
]
