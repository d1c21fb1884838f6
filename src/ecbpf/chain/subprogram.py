"""The base class of every subprogram, of this project's and of yours (docs/subprogram.md)."""

from ecbpf.kernel.object import Object
from ecbpf.kernel.skeleton import Skeleton

__all__ = ["FileSubprogram", "Subprogram"]


class Subprogram:
    """A kernel program for a slot: which object, which slot, and how it is set up before the load.

    Subclass it with

    name: what people call it, for messages.
    slot: where it goes, 0 to 7; a packet meets the slots in that order.
    skeleton: the generated class of the C file, which includes "ecbpf/chain.h".
    object: the path of a BPF object file instead, "" for the skeleton's.
    program: the function in it; may be left out if there is only one.
    fresh_maps: maps that a new version does not take over from the one in the slot; loaded() fills them.

    and override configure() to set its globals, loaded() to fill its maps, placed() to change what it took over.
    Then ``put(interface, subprogram)`` loads it into the slot of that interface's root array, or replaces the
    version there: maps of its own and the globals in .data go on.
    """

    name: str
    slot: int
    skeleton: type[Skeleton]
    object: str = ""
    program: str = ""
    fresh_maps: tuple[str, ...] = ()

    def open(self) -> Object:
        """The object, not yet loaded. Raises DataError if the file is not there or no BPF object."""
        return Object.open(self.object) if self.object else self.skeleton().object

    def configure(self, new: Object, interface: str) -> None:
        """Called with the object opened and not yet loaded: set new.globals, resize maps. Does nothing here.

        What is set in .data here holds for the first load only: a running version's values win.
        """

    def loaded(self, new: Object) -> None:
        """Called with the object in the kernel and not yet in the slot: fill new.maps. Does nothing here."""

    def placed(self, new: Object) -> None:
        """Called with the program in the slot: change what it took over. Does nothing here."""


class FileSubprogram(Subprogram):
    """A subprogram that needs no set-up, from its object file alone."""

    def __init__(self, slot: int, filename: str, program: str = "") -> None:
        """slot, object and program as in Subprogram."""
        self.name = filename
        self.slot = slot
        self.object = filename
        self.program = program
