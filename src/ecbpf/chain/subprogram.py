"""The base class of all subprograms, this project's and yours (docs/subprogram.md)."""

from ecbpf.kernel.object import Object
from ecbpf.kernel.skeleton import Skeleton

__all__ = ["FileSubprogram", "Subprogram"]


class Subprogram:
    """A BPF program for a slot: its object file, its slot, and its preparation before and after the load.

    Subclass it with

    name: its name in messages.
    slot: its slot, 0 to 7; a packet meets the slots in that order.
    skeleton: the generated class of the C file, which includes "ecbpf/chain.h".
    object: the path of a BPF object file instead, "" for the skeleton's.
    program: the function in it; may be left out if there is only one.
    fresh_maps: maps that a new version does not take over from the one in the slot; loaded() fills them.

    and override configure() to set its globals, loaded() to fill its maps, placed() to change what it took over.
    Then ``put(interface, subprogram)`` loads it into the slot of that interface's root array, or replaces the
    version there, whose own maps and .data globals the new version takes over.
    """

    name: str
    slot: int
    skeleton: type[Skeleton]
    object: str = ""
    program: str = ""
    fresh_maps: tuple[str, ...] = ()

    def open(self) -> Object:
        """The object, not yet loaded. Raises DataError if the file is missing or not a BPF object."""
        return Object.open(self.object) if self.object else self.skeleton().object

    def configure(self, new: Object, interface: str) -> None:
        """Called when the object is open and not yet loaded: set new.globals, resize maps. Does nothing here.

        Values set in .data here count only at the first load: later versions take over the running one's values.
        """

    def loaded(self, new: Object) -> None:
        """Called when the object is loaded and not yet in the slot: fill new.maps. Does nothing here."""

    def placed(self, new: Object) -> None:
        """Called when the program is in the slot: change what it took over. Does nothing here."""


class FileSubprogram(Subprogram):
    """A subprogram that is only an object file and needs no preparation."""

    def __init__(self, slot: int, filename: str, program: str = "") -> None:
        """slot, filename (the object), program: as in Subprogram."""
        self.name = filename
        self.slot = slot
        self.object = filename
        self.program = program
