"""Counters read repeatedly, with their rates per second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ecbpf.subprogram.beat import every_second, stop_requests

__all__ = ["Rates", "watch"]

Counters = dict[str, int]


@dataclass(frozen=True)
class Rates:
    """Counts, and their rates per second over the last `seconds`."""

    seconds: float
    counts: Counters
    rates: dict[str, float]


def watch(
    look: Callable[[], dict[str, Counters]], seconds: float, times: int | None = None
) -> Iterator[dict[str, Rates]]:
    """Yield rates by name every so many seconds, `times` times, or until SIGTERM or SIGINT.

    look: returns counters by name. A counter that has gone down, because it was cleared, has a rate of 0.
    Raises what look() raises.
    """
    before, then = look(), time.monotonic()
    with stop_requests() as stop:
        beats = every_second(stop, seconds)
        next(beats, None)
        for number, _ in enumerate(beats, 1):
            counts, now = look(), time.monotonic()
            yield {name: _rates(before.get(name, {}), each, now - then) for name, each in counts.items()}
            before, then = counts, now
            if number == times:
                break


def _rates(before: Counters, now: Counters, seconds: float) -> Rates:
    rates = {name: round(max(0, count - before.get(name, 0)) / seconds, 1) for name, count in now.items()}
    return Rates(round(seconds, 3), now, rates)
