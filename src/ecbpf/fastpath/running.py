"""The fast path that runs in this network namespace: where it is, and what its programs share."""

from __future__ import annotations

from collections.abc import Collection

from ecbpf.chain.contents import program_in
from ecbpf.chain.egress import egress_interfaces, egress_program
from ecbpf.chain.occupant import look
from ecbpf.errors import EcbpfError
from ecbpf.fastpath.addresses import Addresses
from ecbpf.fastpath.checks import check_settings
from ecbpf.fastpath.programs import EGRESS, INGRESS, SLOT, Ingress
from ecbpf.kernel.map import kernel_name
from ecbpf.kernel.program import Program
from ecbpf.netdev.interfaces import names
from ecbpf.objects.fastpath_egress import FastpathEgressBpf
from ecbpf.subprogram.running import Running
from ecbpf.subprogram.settings import Values

__all__ = ["RunningFastPath", "find_fastpath", "ingress_interfaces", "look_fastpath"]


class RunningFastPath(Running):
    """One fast path on all its interfaces. ingress, egress: the interfaces that its programs are on."""

    def __init__(self, program: Program, ingress: list[str], egress: list[str]) -> None:
        """program: any of its programs, all of which share its maps. Raises as Running."""
        super().__init__(Ingress, "", program)
        self.ingress = ingress
        self.egress = egress
        maps = FastpathEgressBpf.Maps(self.maps)
        self.flow_table = maps.fastpath_flows
        self.addresses = Addresses(maps.fastpath_local, FastpathEgressBpf.Live(self.maps))

    def check(self, values: Values, *, added: Collection[str] = (), force: bool = False) -> None:
        """Raise what set() would: EcbpfError (a version without one of them), and as checks.check_settings()."""
        before = self.settings
        self.kind.table.check(before, values)
        check_settings(before, values, self.ingress, self.egress, added=added, force=force)

    def set(self, values: Values, *, force: bool = False) -> None:
        """Change some settings; to be called under chain.pins.locked(). Raises as check(), and changes none."""
        self.check(values, force=force)
        super().set(values)

    def refresh(self) -> None:
        """Look this host's addresses up again."""
        self.addresses.change()


def look_fastpath() -> RunningFastPath | None:
    """The fast path of this network namespace, None if there is none.

    Raises EcbpfError (one of another version), KernelError.
    """
    ingress, egress = ingress_interfaces(), egress_interfaces(EGRESS)
    for program in (*map(_egress_program, egress), *map(_ingress_program, ingress)):
        if program is not None:
            return RunningFastPath(program, ingress, egress)
    return None


def find_fastpath() -> RunningFastPath:
    """As look_fastpath(); raises EcbpfError if there is none."""
    found = look_fastpath()
    if found is None:
        raise EcbpfError(Ingress.name, "not attached", f"attach it: {Ingress.attach_command()}")
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
    return program if program is not None and program.name == kernel_name(INGRESS) else None


def _egress_program(interface: str) -> Program | None:
    return egress_program(interface, EGRESS)
