"""Load, reload and unload the fast path.

Egress comes first and goes last: without ingress it only learns, while ingress without egress would go by what was
learned before, until it notices (see "unconfirmed" in docs/fastpath.md). Each program is put or replaced between
two packets. Killed anywhere, every interface has the old program or the new.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ecbpf.chain.egress import egress_program, put_egress, take_off_egress
from ecbpf.chain.occupant import find_root, maps_of
from ecbpf.chain.pins import locked
from ecbpf.chain.settings import Settings
from ecbpf.chain.slots import empty, put
from ecbpf.errors import EcbpfError, UsageError
from ecbpf.fastpath.checks import check_nic, check_settings
from ecbpf.fastpath.director import Director, ingress_program, look_director
from ecbpf.fastpath.programs import EGRESS, SLOT, Ingress, Port, load_egress
from ecbpf.fastpath.settings import DEFAULTS, measured
from ecbpf.kernel.map import Map
from ecbpf.kernel.program import Program
from ecbpf.netdev.addresses import IpAddress
from ecbpf.netdev.links import NetLink, links, port_of

__all__ = ["load_fastpath", "unload_fastpath"]


def load_fastpath(
    ingress: list[str],
    egress: list[str],
    settings: Settings,
    *,
    flows: int | None = None,
    address_interfaces: list[str] | None = None,
    excluded: list[IpAddress] | None = None,
    force: bool = False,
) -> list[str]:
    """Load the fast path on these interfaces and those that it is on; flows, settings and counts stay.

    ingress: where packets of clients come in, with a root array each. egress: by which IPVS sends. settings: to
    change. flows: what the table is made for; another number than before begins a new one. address_interfaces:
    whose addresses are left to the kernel, None: as before. excluded: addresses to exclude too. force: see
    checks.check_settings(). Returns what was done, a line each, for a person.

    Raises UsageError, DataError, EcbpfError (no root array, the kernel refuses); what was not loaded is not then.
    """
    with locked():
        running = look_director()
        plan = _Plan(running, ingress, egress)
        before = running.settings if running is not None else DEFAULTS | measured(plan.nics)
        check_settings(before, settings, plan.ingress, plan.egress, force=force)
        with _undone_on_error() as undo:
            maps, done = _load_egress(plan, running, flows, before | settings, undo)
            director = Director(plan.ingress, plan.points, maps)
            if running is None:
                _tell(director, settings, address_interfaces, excluded)
            done += _load_ingress(plan, maps, undo)
        if running is not None:
            _tell(director, settings, address_interfaces, excluded)
            for interface in running.egress:
                if interface not in plan.points and take_off_egress(interface, EGRESS):
                    done.append(f"{interface}: egress program taken off")
        return done


def unload_fastpath(ingress: list[str] | None = None, egress: list[str] | None = None) -> list[str]:
    """Take the fast path off these interfaces, off all if none are named. Returns what was done, a line each.

    Raises EcbpfError if it is on none of them, KernelError.
    """
    with locked():
        running = look_director()
        everywhere = ingress is None and egress is None
        inside = running.ingress if everywhere and running is not None else ingress or []
        outside = running.egress if everywhere and running is not None else egress or []
        found = [name for name in inside if ingress_program(name) is not None]
        done = [f"{interface}: {empty(interface, SLOT)}" for interface in found]
        for interface in outside:
            if take_off_egress(interface, EGRESS):
                done.append(f"{interface}: egress program taken off")
        if not done:
            where = f"not loaded on {', '.join([*inside, *outside])}" if inside or outside else "not loaded"
            raise EcbpfError("fast path", where, "ecbpf fastpath show says where it is")
        return done


class _Plan:
    """What goes where. Raises UsageError (no interfaces), DataError, EcbpfError (no root array)."""

    def __init__(self, running: Director | None, ingress: list[str], egress: list[str]) -> None:
        self.ingress = _joined(running.ingress if running is not None else [], ingress)
        self.egress = _joined(running.egress if running is not None else [], egress)
        for interfaces, flag in ((self.ingress, "-i"), (self.egress, "-o")):
            if not interfaces:
                raise UsageError("fast path", f"no interfaces with {flag}", "load -i IFACES -o IFACES")
        self.every = links()
        for interface in self.ingress:
            find_root(interface)
        self.nics = [self._link(interface) for interface in self.ingress]
        self.ports = {
            interface: Port(*port_of(interface, self.every)) for interface in _joined(self.ingress, self.egress)
        }
        self.points = self._points()

    def _link(self, interface: str) -> NetLink:
        port_of(interface, self.every)  # raises if there is none
        check_nic(self.every[interface])
        return self.every[interface]

    def _points(self) -> list[str]:
        """Where egress is attached: no packet passes two, a VLAN's and its NIC's, or a slave's and its bond's."""
        named = set(self.ports)
        return [
            interface
            for interface in self.ports
            if not {self.every[interface].master, *self._beneath(interface)} & named
        ]

    def _beneath(self, interface: str) -> list[str]:
        parent = self.every[interface].parent
        return [parent, self.every[parent].master] if parent in self.every else []


def _joined(*lists: list[str]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))


def _load_egress(
    plan: _Plan, running: Director | None, flows: int | None, settings: Settings, undo: contextlib.ExitStack
) -> tuple[dict[str, Map], list[str]]:
    """All are in the kernel before the first is attached. Returns the director's maps."""
    maps = running.maps if running is not None else {}
    loaded: dict[Port, Program] = {}
    with contextlib.ExitStack() as objects:
        for point in plan.points:
            port = plan.ports[point]
            if port in loaded:
                continue
            new = objects.enter_context(load_egress(port, maps, None if loaded else flows, settings))
            loaded[port] = new.programs[EGRESS]
            maps = maps_of(loaded[port])
        done = []
        for point in plan.points:
            is_new = egress_program(point, EGRESS) is None
            done.append(f"{point}: {put_egress(point, loaded[plan.ports[point]])}")
            if is_new:
                undo.callback(take_off_egress, point, EGRESS)
    return maps, done


def _load_ingress(plan: _Plan, maps: dict[str, Map], undo: contextlib.ExitStack) -> list[str]:
    targets = {port.ifindex for port in plan.ports.values()}
    done = []
    for interface, nic in zip(plan.ingress, plan.nics, strict=True):
        is_new = ingress_program(interface) is None
        done.append(f"{interface}: {put(interface, Ingress(maps, nic, plan.ports[interface], targets))}")
        if is_new:
            undo.callback(empty, interface, SLOT)
    return done


def _tell(
    director: Director,
    settings: Settings,
    address_interfaces: list[str] | None,
    excluded: list[IpAddress] | None,
) -> None:
    """Give a director what it is to know: in a new one before packets meet it, in another when it is all there."""
    director.set(settings, force=True)  # checked before
    if address_interfaces is not None:
        director.addresses.set_interfaces(address_interfaces)
    director.addresses.update_own()
    if excluded:
        director.addresses.exclude(excluded)


@contextlib.contextmanager
def _undone_on_error() -> Iterator[contextlib.ExitStack]:
    """A stack whose callbacks are called if the block fails, and forgotten if it does not."""
    with contextlib.ExitStack() as undo:
        yield undo
        undo.pop_all()
