"""The counts of the fast path, by the names of enum fastpath_counter, added up over the CPUs."""

from ecbpf.kernel.btf import Btf
from ecbpf.kernel.map import Map

__all__ = ["read_counters"]

_PREFIX, _END = "FASTPATH_", "FASTPATH_COUNTERS"


def read_counters(cpus: Map, btf: Btf) -> dict[str, int]:
    """Every count by its name, in the order of the C. cpus: the map fastpath_cpus. btf: of the program.

    Raises KernelError.
    """
    counts = cpus.sum(0).count
    names = {name: place for name, place in btf.enum("fastpath_counter").items() if name != _END}
    return {name.removeprefix(_PREFIX): counts[place] for name, place in names.items()}
