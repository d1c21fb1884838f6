"""The filter as a subprogram of slot 2."""

from ecbpf.chain.occupant import maps_of
from ecbpf.chain.subprogram import Subprogram
from ecbpf.errors import DataError
from ecbpf.filter.local import update_local
from ecbpf.filter.sets import INDICES, Sets
from ecbpf.filter.settings import Settings, write_settings
from ecbpf.kernel.object import Object
from ecbpf.paths import object_path

__all__ = ["MAPS", "PROGRAM", "SLOT", "Filter"]

SLOT = 2
PROGRAM = "xdp_filter_prog"
# What Python reads and writes.
MAPS = (*INDICES, "filter_lists", "filter_stats", "filter_local", ".data.settings")


class Filter(Subprogram):
    """Drops listed sources, broken headers and fragments."""

    name = "filter"
    slot = SLOT
    program = PROGRAM
    # They are made again from the lists: how they are laid out is a version's own affair.
    fresh_maps = INDICES

    def __init__(self, settings: Settings | None = None, filename: str = "") -> None:
        """settings: to change, from the first packet on. filename: the object, if not this package's."""
        self.object = filename or object_path("filter")
        self._settings = settings or {}

    def configure(self, new: Object, interface: str) -> None:
        """See that it is a filter, and set what was asked for. Raises DataError, EcbpfError."""
        missing = [name for name in MAPS if name not in new.map_names]
        if missing:
            raise DataError(new.name, f"not a filter: it lacks {', '.join(missing)}", "see bpf/filter.bpf.c")
        write_settings(new.globals, self._settings)

    def loaded(self, new: Object) -> None:
        """Make its sets of the lists that it takes over, and tell it this host's addresses."""
        program = new.programs[PROGRAM]
        program.bind_map(new.maps["filter_lists"])
        Sets(maps_of(program)).rebuild()
        update_local(new.maps["filter_local"])

    def placed(self, new: Object) -> None:
        """Set again what was asked for: the settings that it takes over have won."""
        write_settings(new.globals, self._settings)
