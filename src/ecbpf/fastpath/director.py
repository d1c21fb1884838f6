"""The fast path that runs in this network namespace: where it is, and what its programs share."""

from __future__ import annotations

from collections.abc import Collection

from ecbpf.chain.contents import program_in
from ecbpf.chain.egress import egress_interfaces, egress_program
from ecbpf.chain.occupant import look, maps_of
from ecbpf.chain.settings import Settings
from ecbpf.errors import EcbpfError
from ecbpf.fastpath.addresses import Addresses
from ecbpf.fastpath.checks import check_settings
from ecbpf.fastpath.counters import read_counters
from ecbpf.fastpath.programs import CONSTANTS, CPUS, DIRECTOR, EGRESS, FLOWS, INGRESS, LOCAL, SLOT
from ecbpf.fastpath.settings import SECTION, TABLE
from ecbpf.kernel.globals import map_globals
from ecbpf.kernel.map import Map
from ecbpf.kernel.program import Program
from ecbpf.netdev.interfaces import names

__all__ = ["Director", "find_director", "ingress_interfaces", "look_director"]

_NEEDED = frozenset({FLOWS, CPUS, LOCAL, SECTION, DIRECTOR, CONSTANTS})


class Director:
    """One that packets meet now. ingress, egress: the interfaces that its programs are on."""

    def __init__(self, ingress: list[str], egress: list[str], maps: dict[str, Map]) -> None:
        """maps: those of one of its programs, as chain.occupant.maps_of() names them."""
        self.ingress = ingress
        self.egress = egress
        self.maps = maps
        self.table = maps[FLOWS]
        self._settings = map_globals(maps[SECTION])
        self.addresses = Addresses(maps[LOCAL], map_globals(maps[DIRECTOR]))

    @property
    def settings(self) -> Settings:
        """As they are now, by name."""
        return TABLE.read(self._settings)

    def check(self, settings: Settings, *, added: Collection[str] = (), force: bool = False) -> None:
        """Raise what set() would: EcbpfError (a version without one of them), and as checks.check_settings()."""
        TABLE.check(self.settings, settings)
        check_settings(self.settings, settings, self.ingress, self.egress, added=added, force=force)

    def set(self, settings: Settings, *, force: bool = False) -> None:
        """Change some settings; to be called under chain.pins.locked(). Raises as check(), and changes none."""
        self.check(settings, force=force)
        TABLE.write(self._settings, settings)

    def counters(self) -> dict[str, int]:
        """The counts since the fast path was loaded, by name. Raises KernelError."""
        # The map may be one of an older version, whose BTF knows fewer.
        btf = self.maps[CONSTANTS].btf
        assert btf is not None  # maps of ours have one
        return read_counters(self.maps[CPUS], btf)


def look_director() -> Director | None:
    """The fast path of this network namespace, None if there is none.

    Raises EcbpfError (one of another version), KernelError.
    """
    ingress, egress = ingress_interfaces(), egress_interfaces(EGRESS)
    for program in (*map(_at_egress, egress), *map(_ingress_program, ingress)):
        if program is not None:
            maps = maps_of(program)
            if not maps.keys() >= _NEEDED:
                why = "the one that runs is of another version"
                raise EcbpfError("fast path", why, "ecbpf fastpath unload, and load it again")
            return Director(ingress, egress, maps)
    return None


def find_director() -> Director:
    """As look_director(); raises EcbpfError if there is none."""
    found = look_director()
    if found is None:
        raise EcbpfError("fast path", "not loaded", "ecbpf fastpath load -i IFACES -o IFACES")
    return found


def ingress_interfaces() -> list[str]:
    """The interfaces of this network namespace that have it, in the kernel's order. Raises KernelError."""
    return [name for name in names() if _ingress_program(name) is not None]


def _ingress_program(interface: str) -> Program | None:
    """The ingress program on an interface, None if there is none, or no such interface any more."""
    try:
        occupant = look(interface)
    except EcbpfError:
        if interface in names():
            raise
        return None
    if occupant is None or not occupant.is_root:
        return None
    program = program_in(occupant, SLOT)
    return program if program is not None and program.name == INGRESS[:15] else None


def _at_egress(interface: str) -> Program | None:
    return egress_program(interface, EGRESS)
