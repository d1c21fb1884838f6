"""The running subprogram, found in its slot, with its settings and counters."""

from __future__ import annotations

from typing import TypeVar

from ecbpf.chain.contents import program_in
from ecbpf.chain.occupant import find_root, kernel_name, maps_of
from ecbpf.errors import EcbpfError
from ecbpf.kernel.btf import Btf
from ecbpf.kernel.globals import map_globals
from ecbpf.kernel.map import Map
from ecbpf.kernel.program import Program
from ecbpf.subprogram.base import StatefulSubprogram
from ecbpf.subprogram.settings import SECTION, Values

__all__ = ["Running", "find", "find_as", "find_program", "missing_maps"]


class Running:
    """A running program with its settings and counters. interface: where it runs, "" if on several."""

    def __init__(self, kind: type[StatefulSubprogram], interface: str, program: Program) -> None:
        """program: of that kind. Raises EcbpfError (another version, which lacks a needed map), KernelError."""
        self.kind = kind
        self.interface = interface
        self.program = program
        self.maps: dict[str, Map] = maps_of(program)
        missing = missing_maps(kind, self.maps)
        if missing:
            why = f"the {kind.name} that runs is of another version: it has no map {missing[0]}"
            raise EcbpfError(interface or kind.name, why, kind.replace_hint(interface))

    @property
    def btf(self) -> Btf:
        """The program's own types; a map taken over from another version has that version's types."""
        btf = self.maps[".rodata"].btf
        assert btf is not None  # libbpf loads no constants without
        return btf

    @property
    def settings(self) -> Values:
        """The present settings, by name."""
        return self.kind.table.read(map_globals(self.maps[SECTION])) if SECTION in self.maps else {}

    def set(self, values: Values) -> None:
        """Change settings. The caller holds chain.pins.locked(), because an upgrade copies them.

        Raises EcbpfError if the running version lacks one of them; then none is changed.
        """
        if values:
            self.kind.table.write(map_globals(self.maps[SECTION]), values)

    def counters(self) -> dict[str, int]:
        """The counts since the last clear, by name. Raises KernelError."""
        return self.kind.counters.read(self.maps, self.btf) if self.kind.counters else {}

    def clear(self) -> None:
        """Set all counts to zero. Raises KernelError."""
        if self.kind.counters:
            self.kind.counters.clear(self.maps, self.btf)

    def refresh(self) -> None:
        """A service calls this, under the lock, when this host's addresses may have changed. Does nothing here."""


R = TypeVar("R", bound=Running)


def find(kind: type[StatefulSubprogram], interface: str) -> Running:
    """The subprogram of that kind that runs on the interface.

    Raises EcbpfError (no root array, not in its slot, another version), DataError (no such interface),
    KernelError.
    """
    return find_as(Running, kind, interface)


def find_as(made: type[R], kind: type[StatefulSubprogram], interface: str) -> R:
    """find(), but returns an instance of `made`, a subclass of Running. Raises as find()."""
    return made(kind, interface, find_program(kind, interface))


def find_program(kind: type[StatefulSubprogram], interface: str) -> Program:
    """The program of find(), of whatever version: enough to detach it.

    Raises EcbpfError (no root array, not in its slot), DataError (no such interface), KernelError.
    """
    program = program_in(find_root(interface), kind.slot)
    attach = kind.attach_command(interface)
    if program is None:
        raise EcbpfError(interface, f"no {kind.name} in slot {kind.slot}", f"attach it: {attach}")
    if program.name != kernel_name(kind.program):
        why = f"slot {kind.slot} holds {program.full_name()}, which is not the {kind.name}"
        raise EcbpfError(interface, why, f"{attach} replaces it")
    return program


def missing_maps(kind: type[StatefulSubprogram], maps: dict[str, Map]) -> list[str]:
    """The maps that this kind needs and that are missing in `maps`."""
    return [name for name in kind.needed_maps() if kernel_name(name) not in maps]
