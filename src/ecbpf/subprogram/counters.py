"""The per-CPU counters of a subprogram, named by an enum in its C source (include/ecbpf/counter.h)."""

from collections.abc import Mapping

from ecbpf.chain.counters import zero
from ecbpf.kernel.btf import Btf
from ecbpf.kernel.map import Map, kernel_name

__all__ = ["END", "CounterTable"]

END = "COUNTERS"  # of the enumerator that ends the enum


class CounterTable:
    """Where the counts of one subprogram are.

    The enumerator ``TTL_DROPPED`` is the counter "dropped". The last one, ``TTL_COUNTERS``, ends the enum and has
    the prefix of all others. The map has spare entries, so that versions with more and fewer counters share it.
    """

    def __init__(self, map_name: str, enum: str, member: str = "") -> None:
        """map_name: a per-CPU array, as the C has it, with one counter per key; the enum gives the keys.

        member: if all counters are in a struct under key 0, the array in it that holds them.
        """
        self.map_name = map_name
        self.enum = enum
        self._member = member

    def read(self, maps: Mapping[str, Map], btf: Btf) -> dict[str, int]:
        """Every count by name, in the order of the enum, summed over all CPUs.

        maps: of the running program. btf: of the program itself; a map that it took over has the BTF of the
        version that made it. Raises KernelError.
        """
        stats = maps[kernel_name(self.map_name)]
        if self._member:
            counts = getattr(stats.sum(0), self._member)
            return {name: counts[key] for name, key in self._names(btf).items()}
        return {name: stats.sum(key) for name, key in self._names(btf).items()}

    def clear(self, maps: Mapping[str, Map], btf: Btf) -> None:
        """Set all counts to zero, while packets are being counted. Arguments and errors as for read()."""
        stats = maps[kernel_name(self.map_name)]
        if self._member:
            zero(stats, 0, self._member)
            return
        for key in self._names(btf).values():
            zero(stats, key)

    def _names(self, btf: Btf) -> dict[str, int]:
        every = btf.enum(self.enum)
        prefix = next(name for name in every if name.endswith(END)).removesuffix(END)
        return {_shown(name.removeprefix(prefix)): key for name, key in every.items() if name != f"{prefix}{END}"}


def _shown(name: str) -> str:
    """In lower case, unless the enum's name is in mixed case."""
    return name.lower() if name.isupper() else name
