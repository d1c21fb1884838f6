"""The counts of a filter, by the names of enum filter_counter, added up over the CPUs."""

from ecbpf.chain.counters import zero
from ecbpf.errors import DataError
from ecbpf.kernel.map import Map

__all__ = ["clear_counters", "read_counters"]

_END = "FILTER_COUNTERS"


def read_counters(stats: Map) -> dict[str, int]:
    """Every count by its name, in the order of the C. stats: the map filter_stats.

    Raises DataError, KernelError.
    """
    return {name.removeprefix("FILTER_").lower(): stats.sum(key) for name, key in _names(stats).items()}


def clear_counters(stats: Map) -> None:
    """Set all counts to zero, while packets are being counted. Raises DataError, KernelError."""
    for key in _names(stats).values():
        zero(stats, key)


def _names(stats: Map) -> dict[str, int]:
    if stats.btf is None:
        raise DataError(f"map {stats.name}", "has no types")
    return {name: key for name, key in stats.btf.enum("filter_counter").items() if name != _END}
