"""The filter as a subprogram of slot 2."""

from ecbpf.chain.subprogram import Subprogram
from ecbpf.filter.local import update_local
from ecbpf.filter.settings import Settings, write_settings
from ecbpf.kernel.object import Object
from ecbpf.paths import object_path

__all__ = ["PROGRAM", "SLOT", "Filter"]

SLOT = 2
PROGRAM = "xdp_filter_prog"


class Filter(Subprogram):
    """Drops listed sources, broken headers and fragments."""

    name = "filter"
    slot = SLOT
    program = PROGRAM

    def __init__(self, settings: Settings | None = None, filename: str = "") -> None:
        """settings: those that differ from the defaults. filename: the object, if not this package's."""
        self.object = filename or object_path("filter")
        self._settings = settings or {}

    def configure(self, new: Object, interface: str) -> None:
        """Set what was asked for."""
        write_settings(new.globals.filter_settings, self._settings)

    def loaded(self, new: Object) -> None:
        """Let the lists live as long as the program, and tell it this host's addresses."""
        new.programs[PROGRAM].bind_map(new.maps["filter_lists"])
        update_local(new.maps["filter_local"])
