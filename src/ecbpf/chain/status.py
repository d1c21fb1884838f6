"""The state and counts of the root arrays of this network namespace."""

from types import SimpleNamespace

from ecbpf.chain.contents import programs
from ecbpf.chain.counters import ROOT, Counts, read, totals
from ecbpf.chain.occupant import Occupant, look
from ecbpf.errors import EcbpfError
from ecbpf.netdev.interfaces import ethernet_names, names

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from ecbpf.kernel.program import Program

__all__ = ["InterfaceStatus", "SlotStatus", "status"]


# Not dataclasses, whose import would make a status command a quarter slower.
class SlotStatus(SimpleNamespace):
    """One slot. An empty slot has no program_id, name or load_time, but keeps its counts.

    name: the program's name in the C source. load_time: seconds since 1970. counts: packets by verdict.
    """

    slot: int
    program_id: int | None
    name: str
    load_time: float
    counts: Counts


class InterfaceStatus(SimpleNamespace):
    """One interface.

    root: its root array, None if it has none. other_program: describes what runs there instead, "" for nothing.
    """

    interface: str
    root: "RootStatus | None"
    other_program: str


class RootStatus(SimpleNamespace):
    """A root array. mode: "native" or "generic". load_time: seconds since 1970.

    own_counts: packets by verdict that the root itself decided. counts: the totals of slots and root.
    """

    mode: str
    program_id: int
    load_time: float
    slots: list[SlotStatus]
    own_counts: Counts
    counts: Counts


def status(interfaces: "list[str] | None" = None) -> list[InterfaceStatus]:
    """The state of each interface.

    interfaces: the interfaces to show; None: every Ethernet interface, and any other with a root array.
    Raises DataError (no such interface), KernelError.
    """
    every = interfaces if interfaces is not None else names()
    shown = every if interfaces is not None else ethernet_names(every)
    found = []
    for interface in every:
        try:
            occupant = look(interface)
        except EcbpfError:
            # An interface that has gone since it was listed is not an error; one that was asked for is.
            if interfaces is not None or interface in names():
                raise
            continue
        if interface in shown or (occupant is not None and occupant.is_root):
            found.append(_of_interface(interface, occupant))
    return found


def _of_interface(interface: str, occupant: Occupant | None) -> InterfaceStatus:
    if occupant is None:
        return InterfaceStatus(interface=interface, root=None, other_program="")
    if not occupant.is_root:
        return InterfaceStatus(interface=interface, root=None, other_program=occupant.describe())
    slots = [_of_slot(slot, held, read(occupant, slot)) for slot, held in enumerate(programs(occupant))]
    own = read(occupant, ROOT)
    root = RootStatus(
        mode=occupant.mode,
        program_id=occupant.program.id,
        load_time=occupant.program.load_date,
        slots=slots,
        own_counts=own,
        counts=totals([own, *(slot.counts for slot in slots)]),
    )
    return InterfaceStatus(interface=interface, root=root, other_program="")


def _of_slot(slot: int, program: "Program | None", counts: Counts) -> SlotStatus:
    if program is None:
        return SlotStatus(slot=slot, program_id=None, name="", load_time=0.0, counts=counts)
    return SlotStatus(
        slot=slot,
        program_id=program.id,
        name=program.full_name(),
        load_time=program.load_date,
        counts=counts,
    )
