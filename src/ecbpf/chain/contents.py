"""The programs in the slots of a root array."""

from ecbpf.chain.occupant import Occupant
from ecbpf.kernel.descriptor import descriptor_by_id
from ecbpf.kernel.program import Program

__all__ = ["SLOTS", "occupied", "program_in", "programs"]

SLOTS = 8


def programs(root: Occupant) -> list[Program | None]:
    """The program in each slot, None for an empty one. Raises KernelError."""
    return [program_in(root, slot) for slot in range(SLOTS)]


def program_in(root: Occupant, slot: int) -> Program | None:
    """The program in one slot, None if it is empty. Raises KernelError."""
    while (program_id := root.program_array.get(slot)) is not None:
        fd = descriptor_by_id("prog", program_id)
        # It may have been replaced and freed between the two calls: look again.
        if fd is not None:
            return Program(fd)
    return None


def occupied(root: Occupant) -> int:
    """The slots that hold a program, as a bit mask. Raises KernelError."""
    array = root.program_array
    return sum(1 << slot for slot in range(SLOTS) if array.get(slot) is not None)
