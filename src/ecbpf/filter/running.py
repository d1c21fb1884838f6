"""The filter that runs on an interface: its sets, settings, counts."""

from __future__ import annotations

from ecbpf.chain.contents import program_in
from ecbpf.chain.occupant import find_root, maps_of
from ecbpf.chain.pins import locked
from ecbpf.chain.slots import empty, put
from ecbpf.errors import EcbpfError
from ecbpf.filter.counters import clear_counters, read_counters
from ecbpf.filter.local import update_local
from ecbpf.filter.sets import Sets
from ecbpf.filter.settings import SECTION, Settings, read_settings, write_settings
from ecbpf.filter.subprogram import MAPS, PROGRAM, SLOT, Filter
from ecbpf.kernel.globals import map_globals
from ecbpf.kernel.map import Map

__all__ = ["RunningFilter", "attach_filter", "detach_filter", "find_filter"]


class RunningFilter:
    """One that packets meet now."""

    def __init__(self, interface: str, maps: dict[str, Map]) -> None:
        """maps: the program's, as chain.occupant.maps_of() names them."""
        self.interface = interface
        self.sets = Sets(maps)
        self._maps = maps
        self._settings = map_globals(maps[SECTION])

    @property
    def settings(self) -> Settings:
        """As they are now, by name."""
        return read_settings(self._settings)

    def set(self, settings: Settings) -> None:
        """Change some settings, under the lock: an upgrade copies them. Raises EcbpfError, BusyError."""
        with locked():
            write_settings(self._settings, settings)

    def counters(self) -> dict[str, int]:
        """The counts since the last clear, by name. Raises KernelError."""
        return read_counters(self._maps["filter_stats"], self.sets.btf)

    def clear_counters(self) -> None:
        """Set all counts to zero. Raises KernelError."""
        clear_counters(self._maps["filter_stats"], self.sets.btf)

    def update_local(self) -> None:
        """Tell it this host's addresses as they are now; under the lock. Raises OSError, KernelError."""
        update_local(self._maps["filter_local"])


def find_filter(interface: str) -> RunningFilter:
    """The filter on the interface. Raises EcbpfError (no filter, no root array), DataError, KernelError."""
    program = program_in(find_root(interface), SLOT)
    attach = f"ecbpf filter attach -i {interface}"
    if program is None:
        raise EcbpfError(interface, f"no filter in slot {SLOT}", f"attach it: {attach}")
    if program.name != PROGRAM:
        why = f"slot {SLOT} holds {program.name}, which is no filter"
        raise EcbpfError(interface, why, f"{attach} replaces it")
    maps = maps_of(program)
    if not maps.keys() >= set(MAPS):
        raise EcbpfError(interface, "its filter is of another version", f"{attach} replaces it")
    return RunningFilter(interface, maps)


def attach_filter(interface: str, settings: Settings, filename: str = "") -> str:
    """Put the filter in its slot, or a new version in the place of the one there, sets and settings kept.

    settings: those to change. filename: the object, if not this package's. Returns what was done, for a person.
    Raises as chain.slots.put().
    """
    return put(interface, Filter(settings, filename))


def detach_filter(interface: str) -> str:
    """Take the filter out, with its sets and counts. Returns what was done. Raises as find_filter()."""
    return empty(interface, SLOT, find_filter)
