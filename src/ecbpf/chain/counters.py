"""The counts of a root array, by slot and verdict, summed over all CPUs."""

from ecbpf.chain.contents import SLOTS
from ecbpf.chain.occupant import Occupant
from ecbpf.kernel.map import Map
from ecbpf.kernel.values import total

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ROOT", "VERDICTS", "Counts", "clear", "read", "totals", "zero"]

VERDICTS = ("XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT", "XDP_INVALID_ACTION")
ROOT = SLOTS  # CHAIN_ROOT in chain.h: the row of the root's own decisions

Counts = dict[str, int]

_TRIES = 100


def read(root: Occupant, row: int) -> Counts:
    """Packets by verdict that slot `row` (or ROOT) has decided since the last clear. Raises KernelError."""
    columns = list(total(root.stats[row]).verdict)
    columns += [0] * (len(VERDICTS) - len(columns))  # an older version had fewer
    return dict(zip(VERDICTS, columns, strict=False))


def totals(rows: list[Counts]) -> Counts:
    """The sum of these rows."""
    return {verdict: sum(row[verdict] for row in rows) for verdict in VERDICTS}


def clear(root: Occupant) -> None:
    """Set all counts to zero, while packets are being counted. Raises KernelError."""
    for row in range(SLOTS + 1):
        zero(root.stats, row, "verdict")  # the sample's countdown stays


def zero(stats: Map, key: int, member: str = "") -> None:
    """Set the counts of all CPUs at `key` to zero, and again if a CPU that was counting wrote its old one back.

    member: the array of counts within the value; "": the value is the count. Raises KernelError.
    """
    before = stats[key]
    for _ in range(_TRIES):
        olds = _counts(before, member)
        for cpu in before if member else ():
            getattr(cpu, member)[:] = [0] * len(getattr(cpu, member))
        stats[key] = before if member else [0] * len(before)
        before = stats[key]
        if all(new < old or old == 0 for old, new in zip(olds, _counts(before, member), strict=True)):
            return


def _counts(values: "list[Any]", member: str) -> list[int]:
    return [count for cpu in values for count in getattr(cpu, member)] if member else values
