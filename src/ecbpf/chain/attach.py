"""Attach, replace in place and detach the root array, or nop, on an interface.

Each operation makes one change that packets can see, by one atomic system call. The steps before it prepare, the
steps after it tidy up. A command killed at any point leaves the interface in the old state or the new one.
"""

import errno
import os

from ecbpf.chain.change import Change
from ecbpf.chain.contents import occupied
from ecbpf.chain.occupant import ROOT_PROGRAM, Occupant, look, maps_of
from ecbpf.chain.pins import folder_of, locked, make_folder
from ecbpf.chain.repair import pin_chain, pin_link, repair
from ecbpf.chain.sharing import frags_of, share_chain, share_own
from ecbpf.errors import BusyError, DataError, EcbpfError, KernelError, MissingError, kernel_error
from ecbpf.kernel.object import Object
from ecbpf.kernel.probe import Answer, probe_xdp_frags, probe_xdp_link
from ecbpf.kernel.program import Program
from ecbpf.kernel.xdp import GENERIC, NATIVE, OFFLOADED, XdpLink, create_link
from ecbpf.netdev.interfaces import index_of
from ecbpf.objects.nop import NopBpf
from ecbpf.objects.root import RootBpf

__all__ = ["attach", "attach_nop", "check_attach", "check_detach", "detach", "give_back"]

_DRIVER_REFUSES = frozenset({errno.EINVAL, errno.ERANGE, errno.E2BIG, errno.EOPNOTSUPP})


def check_attach(interface: str, *, generic: bool, force: bool) -> None:
    """Raise the error that attach() would raise about the interface in its present state. Changes nothing."""
    _check(interface, look(interface), generic=generic, force=force)


def _check(interface: str, occupant: Occupant | None, *, generic: bool, force: bool) -> str:
    """The mode to attach in; a replacement keeps the mode of the program before it. Raises BusyError."""
    if occupant is None:
        return GENERIC if generic else NATIVE
    if not occupant.is_ours and not force:
        raise BusyError(interface, f"{occupant.describe()} is not ours", "--force replaces it")
    if occupant.mode == OFFLOADED:
        raise BusyError(interface, f"{occupant.describe()} runs on the NIC", "its owner has to detach it")
    if generic and occupant.mode != GENERIC:
        raise BusyError(
            interface,
            f"{occupant.mode} mode is attached, generic was asked for",
            f"ecbpf detach {interface} first",
        )
    return occupant.mode


def attach(interface: str, *, generic: bool = False, force: bool = False, filename: str = "") -> Change:
    """Attach the root array, or replace it in place and keep its slots, counters and configuration.

    generic: use generic mode, for an interface without native XDP. force: replace a program that is not ours.
    filename: the root's object, if not this package's.

    Raises DataError (no such interface, no such object), BusyError (a program that is not ours, another mode),
    VerifierError, MissingError, KernelError.
    """
    with locked():
        occupant = repair(interface)
        mode = _check(interface, occupant, generic=generic, force=force)
        if occupant is not None and occupant.is_root:
            with _root_object(filename) as new:
                share_chain(new.object, occupant.maps, interface, all_of_them=False)
                share_own(new.object, occupant.maps)
                if "chain_occupied" not in RootBpf.Live(occupant.maps):
                    new.live.chain_occupied = occupied(occupant)
                _load_root(new, frags=frags_of(occupant.maps))
                _commit(interface, occupant, new.programs.xdp_root_prog, mode)
            return Change(interface, "root array", "replaced", mode=mode)
        try:
            _attach_new_root(interface, occupant, mode, filename, frags=False)
        except DriverRefusalError:
            # With a large MTU drivers accept only multi-buffer programs; a driver without XDP refuses both.
            if probe_xdp_frags() is not Answer.YES:
                raise
            _attach_new_root(interface, occupant, mode, filename, frags=True)
        return Change(interface, "root array", "attached", mode=mode, in_place_of=_name_of(occupant))


def attach_nop(interface: str, *, generic: bool = False, force: bool = False) -> Change:
    """Attach nop, the program that passes everything. It replaces a root array, with its slots and counters.

    Arguments, result and errors as for attach().
    """
    with locked(), NopBpf() as new:
        occupant = repair(interface)
        mode = _check(interface, occupant, generic=generic, force=force)
        new.load()
        _commit(interface, occupant, new.programs.xdp_nop_prog, mode)
        return Change(interface, "nop", "attached", mode=mode, in_place_of=_name_of(occupant))


def detach(interface: str) -> Change:
    """Detach the root array, with its slots, or nop from the interface.

    Raises EcbpfError (nothing attached, or a program that is not ours, which is named), DataError, KernelError.
    """
    with locked():
        occupant = _ours(interface, repair(interface))
        occupant.take_off()
        repair(interface)
        return Change(interface, "nop" if occupant.is_nop else "root array", "detached")


def give_back(interface: str, before: Occupant | None) -> None:
    """Undo an attach(). before: what look() found before it, which is restored.

    The caller holds pins.locked(). Raises EcbpfError, DataError, KernelError.
    """
    now = look(interface)
    if before is None:
        detach(interface)
    elif now is not None:
        now.replace(before.program)
        repair(interface)


def check_detach(interface: str) -> None:
    """Raise the error that detach() would raise about the interface in its present state. Changes nothing."""
    _ours(interface, look(interface))


def _ours(interface: str, occupant: Occupant | None) -> Occupant:
    if occupant is None:
        raise EcbpfError(interface, "no root array attached", "nothing to detach")
    if not occupant.is_ours:
        raise BusyError(interface, f"{occupant.describe()} is not ours", "its owner has to detach it")
    return occupant


def _name_of(occupant: Occupant | None) -> str:
    return "" if occupant is None else occupant.program.full_name() or str(occupant.program.id)


def _root_object(filename: str) -> RootBpf:
    """The root opened, from an object file if one is given. Raises DataError if the file is not a root array."""
    new = RootBpf(Object.open(filename)) if filename else RootBpf()
    missing = [name for name in ("xdp_program_array", "xdp_stats") if name not in new.object.map_names]
    missing += [ROOT_PROGRAM] * (ROOT_PROGRAM not in new.object.program_names)
    if missing:
        new.close()
        raise DataError(filename, f"not a root array: it lacks {', '.join(missing)}", "see bpf/root.bpf.c")
    return new


def _load_root(new: RootBpf, *, frags: bool) -> None:
    if "chain_frags" in new.fixed:
        new.fixed.chain_frags = frags
    new.load(frags=frags)


def _attach_new_root(interface: str, occupant: Occupant | None, mode: str, filename: str, *, frags: bool) -> None:
    with _root_object(filename) as new:
        _load_root(new, frags=frags)
        _commit(interface, occupant, new.programs.xdp_root_prog, mode)


class DriverRefusalError(KernelError):
    """The driver refuses the program in this mode."""


def _commit(interface: str, occupant: Occupant | None, program: Program, mode: str) -> None:
    """Put the program on the interface: pin the maps, make the one change that packets see, then tidy up."""
    folder = folder_of(interface)
    try:
        make_folder(folder)
        if program.name == ROOT_PROGRAM:
            pin_chain(maps_of(program), folder)
        if occupant is None:
            with _create_link(interface, program, mode) as link:
                link.pin(os.path.join(folder, "link"))
        else:
            pin_link(occupant, folder)
            occupant.replace(program)
    except BaseException:
        repair(interface)
        raise
    repair(interface)


def _create_link(interface: str, program: Program, mode: str) -> XdpLink:
    try:
        return create_link(index_of(interface), program, mode)
    except KernelError as error:
        if probe_xdp_link() is Answer.NO:
            raise MissingError("XDP links", "this kernel has none", "boot Linux 5.10 or later") from None
        if error.errno == errno.EOPNOTSUPP and mode == NATIVE:
            raise DriverRefusalError(
                interface, error.errno, "its driver has no native XDP; --generic works with any"
            ) from None
        if error.errno in _DRIVER_REFUSES:
            raise DriverRefusalError(
                interface,
                error.errno,
                "the driver refuses: is the interface's MTU, or its peer's, too large for XDP?",
            ) from None
        raise kernel_error(interface, error.errno) from None
