"""Measure rows side by side, and compute their figures.

A machine is never the same for two minutes: clocks and caches change, and above all what the host runs on the
other hardware thread of the core. So every row is measured once in each of many rounds, in an order that is
shuffled for each round, and right after its own floor. The table shows the median over the rounds of the
difference, and its quartiles; and the difference on a quiet machine: between the lowest deciles of row and floor.
"""

import fnmatch
import gc
import os
import random
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = [
    "ROUNDS",
    "Figure",
    "Row",
    "Sample",
    "Spread",
    "figures",
    "installed",
    "measure",
    "over_limit",
    "report",
    "select",
    "spread",
    "table",
]

ROUNDS = 30


@dataclass(frozen=True)
class Row:
    """One thing to measure.

    setup: called once, with a stack that takes the clean-ups. What it returns is called once per round and
    gives one measurement in `unit`. The figure of the row is its difference to its floor; with `ratio`, its
    quotient; with `share`, the difference divided by so many equal parts.
    floor: the name of the row to compare with, in the same subject. None: this row is a floor itself, or, with a
    limit, its figure is the measurement.
    limit, least: the figure should not be above `limit`, nor below `least`. peer_of: this row does what the row of
    that name does, in another project's way or in one we did not take; its figure is shown as a multiple of that
    row's. rounds: measure it only in the first so many, because it takes seconds; 0: in all.
    needs: what must be installed, as a path and the Debian package that brings it; else the row is left out.
    """

    subject: str
    name: str
    what: str
    setup: Callable[[ExitStack], Callable[[], float]]
    floor: str = ""
    unit: str = "ns"
    ratio: bool = False
    share: int = 1
    limit: float | None = None
    least: float | None = None
    peer_of: str = ""
    rounds: int = 0
    needs: tuple[str, str] | None = None

    @property
    def id(self) -> str:
        return f"{self.subject}/{self.name}"

    @property
    def floor_id(self) -> str:
        return f"{self.subject}/{self.floor}"

    @property
    def has_figure(self) -> bool:
        return bool(self.floor) or self.limit is not None

    def above(self, value: float, floor: float) -> float:
        return (value / floor if self.ratio else value - floor) / self.share


class Sample(NamedTuple):
    """A measurement, and the measurement of its floor just before it; 0 if it is a floor itself."""

    value: float
    floor: float


class Spread(NamedTuple):
    """The median of some numbers, between the quartiles."""

    median: float
    low: float
    high: float


class Figure(NamedTuple):
    """The result for a row.

    above: the row above its floor, None for a floor. quiet: the same, from the best tenth of the rounds of each.
    times: a peer's figure, as a multiple of ours.
    """

    row: Row
    measured: Spread
    above: Spread | None
    quiet: float | None
    times: float | None

    @property
    def unit(self) -> str:
        """The unit of `above`."""
        return "x" if self.row.ratio else self.row.unit

    @property
    def over(self) -> bool:
        if self.above is None:
            return False
        limit, least = self.row.limit, self.row.least
        return (limit is not None and self.above.median > limit) or (
            least is not None and self.above.median < least
        )


def select(rows: Sequence[Row], pattern: str) -> list[Row]:
    """The rows whose subject, or subject/name, matches the pattern, and the rows they are compared with."""
    wanted = {row.id for row in rows if fnmatch.fnmatch(row.id, pattern) or row.subject == pattern}
    grown = True
    while grown:
        needed = {
            f"{row.subject}/{name}"
            for row in rows
            if row.id in wanted
            for name in (row.floor, row.peer_of)
            if name
        }
        grown = not needed <= wanted
        wanted |= needed
    return [row for row in rows if row.id in wanted]


def installed(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows that can be measured here, and the rows that need a package which is not installed."""
    missing = [row for row in rows if row.needs and not os.path.exists(row.needs[0])]
    return [row for row in rows if row not in missing], missing


def measure(
    rows: Sequence[Row], rounds: int, seed: int, progress: Callable[[int, int], None] = lambda _done, _of: None
) -> dict[str, list[Sample]]:
    """Measure each row once in each of its rounds; returns the measurements by the row's id."""
    shuffled = random.Random(seed)
    samples: dict[str, list[Sample]] = {row.id: [] for row in rows}
    with ExitStack() as stack:
        ready = {row.id: row.setup(stack) for row in rows}
        for once in ready.values():
            once()  # the first time fills caches, also Python's bytecode cache
        gc.collect()
        gc.disable()
        try:
            for done in range(rounds):
                for row in shuffled.sample(rows, len(rows)):
                    if row.rounds and done >= row.rounds:
                        continue
                    floor = ready[row.floor_id]() if row.floor else 0
                    samples[row.id].append(Sample(ready[row.id](), floor))
                progress(done + 1, rounds)
        finally:
            gc.enable()
    return samples


def spread(values: Sequence[float]) -> Spread:
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def low_decile(values: Sequence[float]) -> float:
    return values[0] if len(values) == 1 else statistics.quantiles(values, n=10, method="inclusive")[0]


def figures(rows: Sequence[Row], samples: dict[str, list[Sample]]) -> list[Figure]:
    """Compute the figures from the measurements, in the order of the rows."""
    above = {row.id: spread([row.above(*pair) for pair in samples[row.id]]) for row in rows if row.has_figure}
    found = []
    for row in rows:
        values, floors = zip(*samples[row.id], strict=True)
        quiet = row.above(low_decile(values), low_decile(floors)) if row.has_figure else None
        times = None
        if row.peer_of:
            times = above[row.id].median / above[f"{row.subject}/{row.peer_of}"].median
        found.append(Figure(row, spread(values), above.get(row.id), quiet, times))
    return found


def over_limit(found: Sequence[Figure]) -> list[Figure]:
    return [figure for figure in found if figure.over]


def _number(value: float, unit: str) -> str:
    if unit == "ns" and abs(value) >= 1e5:
        return f"{value / 1e6:.1f} ms"
    return f"{value:.2f} {unit}"


_HEADER = ("SUBJECT", "ROW", "ABOVE FLOOR", "QUARTILES", "QUIET", "LIMIT", "", "MEASURED", "WHAT")


def table(found: Sequence[Figure]) -> str:
    """The table as text; for a floor it shows only the measurement."""
    lines = [_HEADER, *(_cells(figure) for figure in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    left = {0, 1, 6, 8}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(figure: Figure) -> tuple[str, ...]:
    row = figure.row
    value = quartiles = quiet = limit = verdict = ""
    if figure.above is None or figure.quiet is None:
        value = "(floor)"
    else:
        value = _number(figure.above.median, figure.unit)
        quartiles = f"{figure.above.low:.2f} .. {figure.above.high:.2f}"
        quiet = f"{figure.quiet:.2f}"
    if row.limit is not None:
        limit, verdict = f"{row.limit:g}", "OVER" if figure.over else "ok"
    elif row.least is not None:
        limit, verdict = f">= {row.least:g}", "BELOW" if figure.over else "ok"
    elif figure.times is not None:
        verdict = f"peer: {figure.times:.1f} times {row.peer_of}"
    measured = _number(figure.measured.median, row.unit)
    return (row.subject, row.name, value, quartiles, quiet, limit, verdict, measured, row.what)


def report(here: dict[str, str], rounds: int, seed: int, found: Sequence[Figure]) -> dict[str, Any]:
    """All figures, for --json."""
    return {
        "machine": here,
        "rounds": rounds,
        "seed": seed,
        "rows": [
            {
                "subject": figure.row.subject,
                "name": figure.row.name,
                "what": figure.row.what,
                "floor": figure.row.floor or None,
                "measured": figure.measured._asdict() | {"unit": figure.row.unit},
                "above": figure.above and figure.above._asdict() | {"unit": figure.unit},
                "quiet": figure.quiet,
                "share": figure.row.share,
                "limit": figure.row.limit,
                "least": figure.row.least,
                "over": figure.over,
                "peer_of": figure.row.peer_of or None,
                "times": figure.times,
            }
            for figure in found
        ],
    }
