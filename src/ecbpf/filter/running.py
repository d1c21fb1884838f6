"""The filter that runs on an interface."""

from functools import cached_property

from ecbpf.filter.local import update_local
from ecbpf.filter.sets import Sets
from ecbpf.filter.subprogram import Filter
from ecbpf.objects.filter import FilterBpf
from ecbpf.subprogram.running import Running, find_as

__all__ = ["RunningFilter", "find_filter"]


class RunningFilter(Running):
    """Its sets, besides the settings and counters of every subprogram."""

    @cached_property
    def sets(self) -> Sets:
        """The drop set and the allow set."""
        return Sets(self.maps)

    def refresh(self) -> None:
        """Store this host's addresses as they are now; under the lock. Raises OSError, KernelError."""
        update_local(FilterBpf.Maps(self.maps).filter_local)


def find_filter(interface: str) -> RunningFilter:
    """The filter on the interface. Raises as subprogram.running.find()."""
    return find_as(RunningFilter, Filter, interface)
