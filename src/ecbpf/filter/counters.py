"""The counts of a filter, by the names of enum filter_counter, added up over the CPUs."""

from ecbpf.chain.counters import zero
from ecbpf.kernel.btf import Btf
from ecbpf.kernel.map import Map

__all__ = ["clear_counters", "read_counters"]

_END = "FILTER_COUNTERS"


def read_counters(stats: Map, btf: Btf) -> dict[str, int]:
    """Every count by its name, in the order of the C. stats: the map filter_stats. btf: of the program.

    Raises KernelError.
    """
    return {name.removeprefix("FILTER_").lower(): stats.sum(key) for name, key in _names(btf).items()}


def clear_counters(stats: Map, btf: Btf) -> None:
    """Set all counts to zero, while packets are being counted. Arguments and errors as read_counters()."""
    for key in _names(btf).values():
        zero(stats, key)


def _names(btf: Btf) -> dict[str, int]:
    return {name: key for name, key in btf.enum("filter_counter").items() if name != _END}
