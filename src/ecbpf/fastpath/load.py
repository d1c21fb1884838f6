"""Load, reload and unload the fast path.

Egress comes first and goes last: without ingress it only learns, while ingress without egress would go by what was
learned before, until it notices (see "unconfirmed" in docs/fastpath.md). Each program is put or replaced between
two packets. Killed anywhere, every interface has the old program or the new.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ecbpf.chain.contents import program_in
from ecbpf.chain.egress import egress_interfaces, egress_program, put_egress, take_off_egress
from ecbpf.chain.occupant import find_root, maps_of
from ecbpf.chain.pins import locked
from ecbpf.chain.settings import Settings
from ecbpf.chain.slots import empty, put, put_back
from ecbpf.errors import EcbpfError, UsageError
from ecbpf.fastpath.addresses import AddressChange
from ecbpf.fastpath.director import Director, ingress_interfaces, look_director
from ecbpf.fastpath.plan import Plan
from ecbpf.fastpath.programs import EGRESS, SLOT, Ingress, Port, load_egress
from ecbpf.fastpath.settings import measured
from ecbpf.fastpath.show import table_of, table_text
from ecbpf.kernel.map import Map
from ecbpf.kernel.program import Program

__all__ = ["load_fastpath", "unload_fastpath"]


def load_fastpath(
    ingress: list[str],
    egress: list[str],
    settings: Settings,
    *,
    flows: int | None = None,
    addresses: AddressChange | None = None,
    force: bool = False,
) -> list[str]:
    """Load the fast path on these interfaces and those that it is on; flows, settings and counts stay.

    ingress: where packets of clients come in, with a root array each. egress: by which IPVS sends. settings: to
    change. flows: what the table is made for; another number than before begins a new one. addresses: to change.
    force: see Director.check(). Returns what was done, a line each, for a person.

    Raises UsageError, DataError, EcbpfError (no root array, the kernel refuses); every interface has what it had
    then.
    """
    changes = addresses or AddressChange()
    with locked(), contextlib.ExitStack() as objects:
        running = look_director()
        plan = Plan(running, ingress, egress)
        loaded = _load_egress(plan, running, flows, measured(plan.nics) | settings, objects)
        director = Director(plan.ingress, plan.points, maps_of(loaded[plan.ports[plan.points[0]]]))
        director.check(settings, added=plan.added, force=force)
        director.addresses.check(changes)
        if running is None:
            director.addresses.change(changes)
        with _undone_on_error() as undo:
            done = [f"{point}: {_put_egress(point, loaded[plan.ports[point]], undo)}" for point in plan.points]
            targets = {port.ifindex for port in plan.ports.values()}
            for interface, nic in zip(plan.ingress, plan.nics, strict=True):
                program = Ingress(director.maps, nic, plan.ports[interface], targets)
                done.append(f"{interface}: {_put_ingress(interface, program, undo)}")
        if running is not None:
            director.set(settings, force=True)  # checked before
            director.addresses.change(changes)
            for interface in running.egress:
                if interface not in plan.points and take_off_egress(interface, EGRESS):
                    done.append(f"{interface}: egress program taken off")
        is_kept = running is not None and running.table.info.id == director.table.info.id
        table = f"flow table{' kept' if is_kept else ''}: {table_text(table_of(director.table))}"
        return [*done, table if is_kept else f"new {table}"]


def unload_fastpath(ingress: list[str] | None = None, egress: list[str] | None = None) -> list[str]:
    """Take the fast path off these interfaces, off all if none are named. Returns what was done, a line each.

    ingress: both programs go. egress: the one at egress goes, which an interface with the other needs.

    Raises UsageError, EcbpfError (it is on none of them), KernelError.
    """
    with locked():
        everywhere = ingress is None and egress is None
        inside, outside = ingress_interfaces(), egress_interfaces(EGRESS)
        if not inside and not outside:
            raise EcbpfError("fast path", "not loaded")
        if not everywhere:
            named = [*(ingress or []), *(egress or [])]
            for interface in egress or []:
                if interface in inside and interface not in (ingress or []):
                    why = "clients' packets come in there too, which needs egress"
                    raise UsageError(interface, why, f"unload -i {interface}")
            inside = [interface for interface in inside if interface in (ingress or [])]
            outside = [interface for interface in outside if interface in named]
            if not inside and not outside:
                where = f"not loaded on {', '.join(named)}"
                raise EcbpfError("fast path", where, "ecbpf fastpath show says where it is")
        done = [f"{interface}: {empty(interface, SLOT)}" for interface in inside]
        for interface in outside:
            if take_off_egress(interface, EGRESS):
                done.append(f"{interface}: egress program taken off")
        return done


def _load_egress(
    plan: Plan, running: Director | None, flows: int | None, settings: Settings, objects: contextlib.ExitStack
) -> dict[Port, Program]:
    """The egress programs by port, attached nowhere yet. settings: of a new director; another's stay."""
    loaded: dict[Port, Program] = {}
    maps: dict[str, Map] = running.maps if running is not None else {}
    for port in dict.fromkeys(plan.ports[point] for point in plan.points):
        new = load_egress(port, maps, None if loaded else flows, {} if running is not None else settings)
        loaded[port] = objects.enter_context(new).programs[EGRESS]
        maps = maps_of(loaded[port])
    return loaded


def _put_egress(interface: str, program: Program, undo: contextlib.ExitStack) -> str:
    before = egress_program(interface, EGRESS)
    done = put_egress(interface, program)
    if before is not None:
        undo.callback(put_egress, interface, before)
    else:
        undo.callback(take_off_egress, interface, EGRESS)
    return done


def _put_ingress(interface: str, program: Ingress, undo: contextlib.ExitStack) -> str:
    before = program_in(find_root(interface), SLOT)
    done = put(interface, program)
    undo.callback(put_back, interface, SLOT, before)
    return done


@contextlib.contextmanager
def _undone_on_error() -> Iterator[contextlib.ExitStack]:
    """A stack whose callbacks are called if the block fails, and forgotten if it does not."""
    with contextlib.ExitStack() as undo:
        yield undo
        undo.pop_all()
