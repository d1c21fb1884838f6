"""The eight slots: put a subprogram in, replace it, empty the slot.

A slot changes by one update of the root array: the packet before it meets the old program, the packet
after it the new one.
"""

import errno
from collections.abc import Callable

from ecbpf.chain.change import Change
from ecbpf.chain.contents import SLOTS, program_in
from ecbpf.chain.occupant import Occupant, find_root, maps_of, require_root
from ecbpf.chain.pins import folder_of, locked, slot_folder, staged_folder
from ecbpf.chain.repair import mark_occupied, pin_slot, repair
from ecbpf.chain.sharing import frags_of, share_chain, share_own
from ecbpf.chain.subprogram import Subprogram
from ecbpf.errors import DataError, EcbpfError, KernelError, UsageError
from ecbpf.kernel.map import kernel_name
from ecbpf.kernel.object import Object
from ecbpf.kernel.program import Program

__all__ = ["check_filled", "check_slot", "empty", "pins_of", "put", "put_back"]


def check_slot(slot: int) -> int:
    """Returns `slot` if it is 0 to 7. Raises UsageError if not."""
    if not 0 <= slot < SLOTS:
        raise UsageError(f"slot {slot}", "out of range", f"slots are 0 to {SLOTS - 1}")
    return slot


def pins_of(interface: str, slot: int) -> str:
    """The folder with the pins of the subprogram in that slot: ``program``, and its maps by their names.

    Its global variables are the maps ``data`` and ``bss``. Raises UsageError (no such slot).
    """
    return slot_folder(folder_of(interface), check_slot(slot))


def put(interface: str, subprogram: Subprogram) -> Change:
    """Load a subprogram into its slot, in place of the one there.

    Raises EcbpfError (no root array, or one of another version), DataError (no such interface, not the object of a
    subprogram), VerifierError, KernelError.
    """
    slot = check_slot(subprogram.slot)
    with locked(), subprogram.open() as new:
        root = require_root(interface, repair(interface))
        name = _program_name(new, subprogram)
        old = program_in(root, slot)
        is_upgrade = old is not None and old.name == kernel_name(name)
        frags = frags_of(root.maps)
        new.globals.chain_slot = slot
        new.globals.chain_frags = frags
        subprogram.configure(new, interface)
        share_chain(new, root.maps, interface, all_of_them=True)
        if old is not None and is_upgrade:
            share_own(new, maps_of(old), subprogram.fresh_maps)
        new.load(frags=frags)
        subprogram.loaded(new)
        _commit(root, slot, new.programs[name])
        subprogram.placed(new)
        if is_upgrade:
            return Change(interface, subprogram.name, "replaced", slot)
        return Change(
            interface, subprogram.name, "attached", slot, in_place_of=old.full_name() if old is not None else ""
        )


def put_back(interface: str, slot: int, program: Program | None) -> None:
    """Undo a put(). program: the one that was in the slot before, None if it was empty.

    The caller holds pins.locked(). Raises EcbpfError, DataError, KernelError.
    """
    root = require_root(interface, repair(interface))
    if program is not None:
        _commit(root, slot, program)
    else:
        root.program_array.delete(slot)
        repair(interface)


def _commit(root: Occupant, slot: int, program: Program) -> None:
    """Fill the slot: pin the program, make the one change that packets see, then tidy up."""
    try:
        pin_slot(program, staged_folder(folder_of(root.interface), slot))
        mark_occupied(root, add=1 << slot)
        root.program_array[slot] = program
    except KernelError as error:
        if error.errno == errno.EINVAL:
            why = "not a program of the kind that slots take"
            raise DataError(program.name, why, 'a subprogram is SEC("xdp")') from None
        raise
    finally:
        repair(root.interface)


def empty(interface: str, slot: int, check: Callable[[str], object] | None = None) -> Change:
    """Empty a slot; its counts stay.

    check: called with the interface, under the lock, before anything changes; it may raise.

    Raises EcbpfError (no root array, the slot is empty), DataError, KernelError.
    """
    check_slot(slot)
    with locked():
        root = require_root(interface, repair(interface))
        if check is not None:
            check(interface)
        if not root.program_array.delete(slot):
            raise _is_empty(interface, slot)
        repair(interface)
        return Change(interface, "slot", "emptied", slot)


def check_filled(interface: str, slot: int) -> None:
    """Raise what empty() would raise about the slot as it is now, and change nothing."""
    if program_in(find_root(interface), check_slot(slot)) is None:
        raise _is_empty(interface, slot)


def _is_empty(interface: str, slot: int) -> EcbpfError:
    return EcbpfError(interface, f"slot {slot} is empty already", "see ecbpf status")


def _program_name(new: Object, subprogram: Subprogram) -> str:
    names = new.program_names
    if "chain_slot" not in new.globals or "xdp_program_array" not in new.map_names:
        raise DataError(new.name, "not a subprogram", 'a subprogram includes "ecbpf/chain.h"')
    if subprogram.program:
        if subprogram.program not in names:
            raise DataError(new.name, f"has no program {subprogram.program}", f"it has {', '.join(names)}")
        return subprogram.program
    if len(names) != 1:
        raise DataError(new.name, f"has {len(names)} programs: {', '.join(names)}", "give the program's name")
    return names[0]
