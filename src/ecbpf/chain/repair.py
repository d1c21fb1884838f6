"""Make the pins agree with what the kernel runs.

After a command was killed, an interface was renamed, moved or deleted, or a pin was removed by hand, the pins are
wrong. Every command that changes something first repairs them here, under the lock.
"""

import os

from ecbpf.chain.contents import SLOTS, occupied, program_in
from ecbpf.chain.egress import sweep_egress
from ecbpf.chain.occupant import NOP_PROGRAM, ROOT_PROGRAM, Occupant, look, maps_of
from ecbpf.chain.pins import (
    egress_folders,
    folder_of,
    folders,
    live_link,
    locked,
    make_folder,
    remove_folder,
    rename_folder,
    slot_folder,
    staged_folder,
)
from ecbpf.chain.sharing import CHAIN_MAPS
from ecbpf.errors import KernelError
from ecbpf.kernel.bpffs import pin_name
from ecbpf.kernel.globals import map_globals
from ecbpf.kernel.map import Map, kernel_name, open_map
from ecbpf.kernel.program import Program, open_program

__all__ = ["mark_occupied", "pin_chain", "pin_link", "pin_slot", "repair", "sweep"]

_PROGRAM = "program"
_ELSEWHERE = "moved-away-link:"  # longer than an interface's name can be


def repair(interface: str) -> Occupant | None:
    """Repair the pins, above all those of `interface`; returns what runs there, as look() does.

    Afterwards the folder of the interface is complete if a program of ours runs on it, and does not exist if none
    does. Changes nothing that packets meet. Raises as look(), and KernelError.
    """
    occupant = look(interface)
    ours = occupant if occupant is not None and occupant.is_ours else None
    home = folder_of(interface)
    sweep_egress()
    for folder in folders():
        _settle(folder, home, ours)
    if ours is not None:
        make_folder(home)
        pin_link(ours, home)
        if ours.is_root:
            pin_chain(ours.maps, home)
            _settle_slots(ours, home)
            mark_occupied(ours)
        else:
            remove_folder(home, keep="link")
    return occupant


def sweep() -> None:
    """Remove the pins of interfaces that are gone, in every namespace. Raises BusyError, KernelError."""
    if folders() or egress_folders():
        with locked():
            sweep_egress()
            for folder in folders():
                _sweep(folder)


def _sweep(folder: str) -> None:
    if os.path.exists(os.path.join(folder, "link")) and live_link(folder) is None:
        remove_folder(folder)


def mark_occupied(root: Occupant, *, add: int = 0) -> None:
    """Set chain_occupied (chain.h) to the bit mask of occupied slots, and of `add`, which are filled next."""
    section = root.maps.get(".data.chain")
    if section is not None:
        map_globals(section).chain_occupied = occupied(root) | add


def _settle_slots(root: Occupant, home: str) -> None:
    for slot in range(SLOTS):
        program = program_in(root, slot)
        folder, staged = slot_folder(home, slot), staged_folder(home, slot)
        if program is None:
            remove_folder(folder)
        elif _pinned_program(staged) == program.id:
            remove_folder(folder)
            rename_folder(staged, folder)
        else:
            pin_slot(program, folder)
        remove_folder(staged)


def _settle(folder: str, home: str, ours: Occupant | None) -> None:
    """Keep, remove or rename one folder, whichever is right."""
    link = live_link(folder)
    if link is None:
        _sweep(folder)
        # A folder without a link belongs to a program attached by netlink: decide only where we know what runs.
        if folder == home and ours is None:
            remove_folder(folder)
        return
    with link:
        program_id, number = link.info.prog_id, link.info.id
    if ours is not None and program_id == ours.program.id:
        if folder != home:
            if os.path.exists(home):
                _settle(home, home, None)
            rename_folder(folder, home)
    elif folder == home:
        # A live link that does not hold this interface: its interface has another name or namespace now.
        with open_program(program_id) as program:
            known = program.name in (ROOT_PROGRAM, NOP_PROGRAM)
        if known:
            rename_folder(folder, os.path.join(os.path.dirname(home), f"{_ELSEWHERE}{number}"))
        else:
            remove_folder(folder)


def pin_link(occupant: Occupant, folder: str) -> None:
    """Pin the link that holds the occupant, if there is one and it is not pinned yet. Raises KernelError."""
    path = os.path.join(folder, "link")
    if os.path.exists(path):
        return
    link = occupant.link()
    if link is not None:
        with link:
            link.pin(path)


def pin_chain(maps: dict[str, Map], folder: str) -> None:
    """Pin the chain's maps, out of a root program's `maps`, if they are not pinned yet. Raises KernelError."""
    for name in CHAIN_MAPS:
        existing = maps.get(kernel_name(name))
        if existing is not None:
            _pin_map(existing, os.path.join(folder, _pin_of(name)))


def pin_slot(program: Program, folder: str) -> None:
    """Pin a subprogram as ``program`` and its own maps by their names, replacing older pins.

    Raises KernelError.
    """
    if _pinned_program(folder) == program.id:
        return
    remove_folder(folder)
    make_folder(folder)
    shared = {kernel_name(name) for name in CHAIN_MAPS}
    for name, map_ in maps_of(program).items():
        if name not in shared:
            _pin_map(map_, os.path.join(folder, _pin_of(name)))
    # Last: the pin of the program shows that the folder is complete.
    program.pin(os.path.join(folder, _PROGRAM))


def _pinned_program(folder: str) -> int | None:
    try:
        with open_program(os.path.join(folder, _PROGRAM)) as program:
            return program.id
    except KernelError:
        return None


def _pin_of(map_name: str) -> str:
    return pin_name(map_name.lstrip("."))


def _pin_map(map_: Map, path: str) -> None:
    if os.path.exists(path):
        with open_map(path) as pinned:
            if pinned.info.id == map_.info.id:
                return
        os.unlink(path)
    map_.pin(path)
