"""The verbs of a subprogram, for several interfaces: all of them are checked before the first is changed."""

from __future__ import annotations

from collections.abc import Iterator

from ecbpf.chain.change import Change
from ecbpf.chain.occupant import find_root
from ecbpf.chain.pins import locked
from ecbpf.chain.slots import empty, put
from ecbpf.subprogram.base import StatefulSubprogram
from ecbpf.subprogram.running import Running, find, find_program
from ecbpf.subprogram.settings import SettingChange, Values
from ecbpf.subprogram.status import SubprogramStatus, status_of

__all__ = ["attach", "change_settings", "clear", "detach", "find_all", "status"]

Kind = type[StatefulSubprogram]


def attach(interfaces: list[str], subprogram: StatefulSubprogram) -> Iterator[Change]:
    """Put it in its slot, or replace it there and keep maps, settings and counts. Yields each change.

    Raises EcbpfError (no root array), DataError, VerifierError, KernelError. Then nothing has been changed, unless
    the kernel refuses the program only on a later interface.
    """
    for interface in interfaces:
        find_root(interface)
    for interface in interfaces:
        yield put(interface, subprogram)


def detach(interfaces: list[str], kind: Kind) -> Iterator[Change]:
    """Remove it from its slot, with its maps and counts. Yields each change. Raises as running.find_program()."""
    for interface in interfaces:
        find_program(kind, interface)
    for interface in interfaces:
        yield empty(interface, kind.slot, lambda name: find_program(kind, name))


def status(interfaces: list[str], kind: Kind) -> list[SubprogramStatus]:
    """Settings and counters. Raises as running.find()."""
    return [status_of(running) for running in find_all(interfaces, kind)]


def change_settings(
    interfaces: list[str], kind: Kind, values: Values, *, dry_run: bool = False
) -> list[SettingChange]:
    """Change settings, in force from the next packet on. dry_run: only return what would change.

    Raises EcbpfError if a running version lacks one, and as running.find(); then none is changed on any interface.
    """
    with locked():
        every = find_all(interfaces, kind)
        before = [running.settings for running in every]
        for known in before:
            kind.table.check(known, values)
        if not dry_run:
            for running in every:
                running.set(values)
    return [
        SettingChange(running.interface, name, known[name], value)
        for running, known in zip(every, before, strict=True)
        for name, value in values.items()
    ]


def clear(interfaces: list[str], kind: Kind) -> None:
    """Set the counts to zero. Raises as running.find()."""
    for running in find_all(interfaces, kind):
        running.clear()


def find_all(interfaces: list[str], kind: Kind) -> list[Running]:
    """find() for each interface. Raises as running.find()."""
    return [find(kind, interface) for interface in interfaces]
