"""Our programs at tc egress, one per interface, beside programs of other owners.

They are attached by tcx link (Linux 6.6 and later) or else by a clsact filter. As with the root array, the truth
is what the kernel runs. A link is kept alive by its pin, ``tc-egress-programs/IFINDEX`` of its network namespace.
The pin is not in the interface's folder, which goes with the root array. Renaming an interface does no harm. If it
got another index or moved to another namespace, its pin is renamed at the next attach or detach.

Our program is recognised by its name: `name`, everywhere below, is the program's name in the C source.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import NamedTuple

from ecbpf.chain.change import Change
from ecbpf.chain.pins import egress_folder, egress_folders, make_folder, remove_empty_folders
from ecbpf.errors import BusyError, EcbpfError, KernelError, kernel_error
from ecbpf.kernel.descriptor import descriptor_by_id
from ecbpf.kernel.program import Program
from ecbpf.kernel.tc import HANDLE, PRIORITY, ClsactFilter, TcxLink, attach_tc, find_tcx_links, tcx_programs
from ecbpf.kernel.uapi import BPF_OBJ_NAME_LEN, LINK_TCX
from ecbpf.netdev.interfaces import index_of, names

__all__ = ["egress_interfaces", "egress_program", "put_egress", "sweep_egress", "take_off_egress"]

_ELSEWHERE = "link:"  # and its id: the pin of a link whose usual path another link needs
_ATTEMPTS = 100


class _Holder(NamedTuple):
    """A program of ours, and the link or filter that holds it."""

    program: Program
    by: TcxLink | ClsactFilter

    @property
    def kind(self) -> str:
        return "tcx" if isinstance(self.by, TcxLink) else "clsact"


def put_egress(interface: str, program: Program) -> Change:
    """Attach a loaded program behind the existing ones, or replace ours, of the same name, atomically.

    The caller holds pins.locked().

    Raises DataError (no such interface), BusyError (on a kernel without tcx: somebody else's filter has our handle
    and priority), KernelError; the interface is then as it was before.
    """
    ifindex = index_of(interface)
    sweep_egress()
    try:
        held = _look(interface, ifindex, program.name)
        if not held:
            return Change(interface, "egress program", "attached", mode=_attach(interface, ifindex, program))
        first, *others = held
        if isinstance(first.by, TcxLink):
            _pin(first.by, ifindex)
            with _about(interface):
                first.by.update(program, first.program)
        else:
            with _about(interface):
                first.by.put(program)
        _detach(interface, others)
        return Change(interface, "egress program", "replaced", mode=first.kind)
    finally:
        sweep_egress()


def egress_program(interface: str, name: str) -> Program | None:
    """Our program that runs at egress now, None if there is none. Needs no lock.

    Raises DataError (no such interface), KernelError.
    """
    held = _look(interface, index_of(interface), name)
    return held[0].program if held else None


def take_off_egress(interface: str, name: str) -> bool:
    """Detach our program; returns False if there is none. The caller holds pins.locked().

    Raises DataError (no such interface), KernelError.
    """
    ifindex = index_of(interface)
    sweep_egress()
    held = _look(interface, ifindex, name)
    try:
        _detach(interface, held)
    finally:
        sweep_egress()
    return bool(held)


def egress_interfaces(name: str) -> list[str]:
    """The interfaces of this network namespace that have our program, in the kernel's order. Needs no lock.

    Raises KernelError.
    """
    return [interface for interface in names() if _has_one(interface, name)]


def _has_one(interface: str, name: str) -> bool:
    try:
        return egress_program(interface, name) is not None
    except EcbpfError:
        # An interface that has gone since it was listed is not an error.
        if interface in names():
            raise
        return False


def sweep_egress() -> None:
    """Remove the pins of links whose interface is gone, in every namespace. The caller holds pins.locked().

    Raises KernelError.
    """
    for folder in egress_folders():
        for path in _pins_in(folder):
            link = _pinned(path)
            if link is not None:
                with link:
                    if not link.info.ifindex:
                        _unlink(path)
    remove_empty_folders()


def _look(interface: str, ifindex: int, name: str) -> list[_Holder]:
    """Our programs on the interface: at most one, unless another tool attached a second."""
    wanted = name[: BPF_OBJ_NAME_LEN - 1]
    clsact = ClsactFilter(ifindex, "egress")
    for _ in range(_ATTEMPTS):
        filtered = clsact.program_id()
        at_tcx = _opened(tcx_programs(ifindex, "egress"))
        at_clsact = _opened([filtered] if filtered is not None else [])
        if at_tcx is None or at_clsact is None:
            continue
        found = []
        for program in at_tcx:
            link = _link_of(interface, ifindex, program) if program.name == wanted else None
            if link is not None:
                found.append(_Holder(program, link))
        return found + [_Holder(program, clsact) for program in at_clsact if program.name == wanted]
    raise EcbpfError(interface, "its egress programs keep changing", "stop the program that changes them")


def _opened(ids: list[int]) -> list[Program] | None:
    """The programs with these ids; None if one of them has been replaced and is gone."""
    fds = [descriptor_by_id("prog", program_id) for program_id in ids]
    programs = [Program(fd) for fd in fds if fd is not None]
    return programs if len(programs) == len(ids) else None


def _link_of(interface: str, ifindex: int, program: Program) -> TcxLink | None:
    """The link that holds the program on the interface, None if it is attached without a link."""
    pinned = _pinned(_home(ifindex))
    if pinned is not None and (pinned.info.prog_id, pinned.info.ifindex) == (program.id, ifindex):
        return pinned
    links = find_tcx_links(program.id, ifindex, "egress")
    if len(links) > 1:
        raise EcbpfError(
            interface,
            f"program {program.id} is at egress of two interfaces with the same index, in two namespaces",
            "detach it in the other one first",
        )
    return links[0] if links else None


def _attach(interface: str, ifindex: int, program: Program) -> str:
    try:
        held = _Holder(program, attach_tc(ifindex, program, "egress"))
    except KernelError as error:
        taken = ClsactFilter(ifindex, "egress").program_id() if error.errno == errno.EEXIST else None
        if taken is None:
            raise kernel_error(interface, error.errno, error.hint) from None
        raise _busy(interface, taken) from None
    if isinstance(held.by, TcxLink):
        with held.by:
            _pin(held.by, ifindex)
    return held.kind


def _busy(interface: str, program_id: int) -> BusyError:
    opened = _opened([program_id])
    name = opened[0].name if opened else ""
    return BusyError(
        interface,
        f"the egress filter with handle {HANDLE:#x}, priority {PRIORITY}, is program {program_id} "
        f"({name or 'no name'}), which is not ours",
        f"tc filter del dev {interface} egress pref {PRIORITY} handle {HANDLE:#x} bpf",
    )


def _detach(interface: str, held: list[_Holder]) -> None:
    with _about(interface):
        for each in held:
            each.by.detach()


@contextlib.contextmanager
def _about(interface: str) -> Iterator[None]:
    """Make errors of the kernel name this interface instead of a function."""
    try:
        yield
    except KernelError as error:
        raise kernel_error(interface, error.errno, error.hint) from None


def _home(ifindex: int) -> str:
    return os.path.join(egress_folder(), str(ifindex))


def _pins_in(folder: str) -> list[str]:
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


def _pinned(path: str) -> TcxLink | None:
    """The tcx link pinned at `path`; None if there is nothing, or something else, which is left alone."""
    try:
        link = TcxLink.by_pin(path)
    except KernelError:
        return None
    if link.info.type == LINK_TCX:
        return link
    link.close()
    return None


def _pin(link: TcxLink, ifindex: int) -> None:
    """Make sure that the link is pinned at its usual path, and only there."""
    home, number = _home(ifindex), link.info.id
    in_the_way = _pinned(home)
    if in_the_way is not None:
        with in_the_way:
            other = in_the_way.info.id
        if other == number:
            return
        # Its interface is in another namespace or has another index now, and only this pin keeps the link alive.
        _rename(home, os.path.join(egress_folder(), f"{_ELSEWHERE}{other}"))
    make_folder(egress_folder())
    for folder in egress_folders():
        for path in _pins_in(folder):
            pinned = _pinned(path)
            if pinned is not None:
                with pinned:
                    is_it = pinned.info.id == number
                if is_it:
                    _rename(path, home)
                    return
    link.pin(home)


def _rename(path: str, target: str) -> None:
    try:
        os.rename(path, target)
    except OSError as error:
        raise kernel_error(path, error.errno or errno.EIO) from None


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError as error:
        raise kernel_error(path, error.errno or errno.EIO) from None
