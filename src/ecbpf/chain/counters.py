"""The counts of a root array: by slot and verdict, added up over the CPUs."""

from ecbpf.chain.contents import SLOTS
from ecbpf.chain.occupant import Occupant
from ecbpf.kernel.values import total

__all__ = ["ROOT", "VERDICTS", "Counts", "clear", "read", "totals"]

VERDICTS = ("XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT", "XDP_INVALID_ACTION")
ROOT = SLOTS  # CHAIN_ROOT in chain.h: the row of what the root decided alone

Counts = dict[str, int]

_TRIES = 100


def read(root: Occupant, row: int) -> Counts:
    """Packets by verdict that the slot `row` (or ROOT) decided since the last clear. Raises KernelError."""
    columns = list(total(root.maps["xdp_stats"][row]).verdict)
    columns += [0] * (len(VERDICTS) - len(columns))  # a version that had fewer
    return dict(zip(VERDICTS, columns, strict=False))


def totals(rows: list[Counts]) -> Counts:
    """The sum of some rows."""
    return {verdict: sum(row[verdict] for row in rows) for verdict in VERDICTS}


def clear(root: Occupant) -> None:
    """Set all counts to zero, while packets are being counted. Raises KernelError."""
    for row in range(SLOTS + 1):
        _clear(root, row)


def _clear(root: Occupant, row: int) -> None:
    """Zero one row, and again until no CPU had read a count before and written it back after."""
    stats = root.maps["xdp_stats"]
    before = stats[row]
    for _ in range(_TRIES):
        olds = [count for cpu in before for count in cpu.verdict]
        for cpu in before:
            cpu.verdict[:] = [0] * len(cpu.verdict)  # the countdown of the sample stays
        stats[row] = before
        before = stats[row]
        news = [count for cpu in before for count in cpu.verdict]
        if all(new < old or old == 0 for old, new in zip(olds, news, strict=True)):
            return
