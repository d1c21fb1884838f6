"""What operators do to the fast path.

The egress program is attached first and taken off last: without ingress it only learns, while ingress without
egress would go by what was learned before, until it notices (see "unconfirmed" in docs/fastpath.md). Each program
is put or replaced between two packets. Killed anywhere, every interface has the old program or the new.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ecbpf.chain.change import Change
from ecbpf.chain.contents import program_in
from ecbpf.chain.egress import egress_interfaces, egress_program, put_egress, take_off_egress
from ecbpf.chain.occupant import find_root, maps_of
from ecbpf.chain.pins import locked
from ecbpf.chain.slots import empty, put, put_back
from ecbpf.errors import EcbpfError, UsageError
from ecbpf.fastpath.addresses import AddressChange
from ecbpf.fastpath.checks import egress_without_clients
from ecbpf.fastpath.plan import Plan
from ecbpf.fastpath.programs import EGRESS, SLOT, Ingress, load_egress
from ecbpf.fastpath.running import RunningFastPath, find_fastpath, ingress_interfaces, look_fastpath
from ecbpf.fastpath.settings import measured
from ecbpf.fastpath.status import TableStatus, table_status
from ecbpf.kernel.map import Map
from ecbpf.kernel.program import Program
from ecbpf.netdev.links import Egress
from ecbpf.subprogram.settings import SettingChange, Values

__all__ = ["FastPathAttached", "FastPathChanged", "attach_fastpath", "change_fastpath", "detach_fastpath"]


@dataclass(frozen=True)
class FastPathAttached:
    """What an attach did.

    is_table_kept: the flow table is the one of before, with its flows. without_clients: interfaces by which IPVS
    sends, whose flows are left to IPVS because client packets do not come in there.
    """

    changes: list[Change]
    table: TableStatus
    is_table_kept: bool
    without_clients: list[str]


@dataclass(frozen=True)
class FastPathChanged:
    """What a change did.

    excluded: how many addresses are excluded now; None: addresses were not to change. without_clients: as of
    Attached, if settings have changed.
    """

    settings: list[SettingChange]
    excluded: int | None
    without_clients: list[str]


def attach_fastpath(
    ingress: list[str],
    egress: list[str],
    settings: Values,
    *,
    flows: int | None = None,
    addresses: AddressChange | None = None,
    force: bool = False,
) -> FastPathAttached:
    """Attach the fast path to these interfaces, and replace it where it runs; flows, settings and counts stay.

    ingress: where client packets come in, with a root array each. egress: by which IPVS sends. settings: to
    change. flows: how many the table is made for; another number than before begins a new one. addresses: to
    change. force: see RunningFastPath.check().

    Raises UsageError, DataError, EcbpfError (no root array, the kernel refuses); every interface has what it had
    then.
    """
    changes = addresses or AddressChange()
    with locked(), contextlib.ExitStack() as objects:
        running = look_fastpath()
        plan = Plan(running, ingress, egress)
        loaded = _load_egress(plan, running, flows, measured(plan.nics) | settings, objects)
        new = RunningFastPath(loaded[plan.egress_of[plan.points[0]]], plan.ingress, plan.points)
        new.check(settings, added=plan.added, force=force)
        new.addresses.check(changes)
        if running is None:
            new.addresses.change(changes)
        with _undone_on_error() as undo:
            done = [_put_egress(point, loaded[plan.egress_of[point]], undo) for point in plan.points]
            targets = {egress.ifindex for egress in plan.egress_of.values()}
            for interface, nic in zip(plan.ingress, plan.nics, strict=True):
                program = Ingress(new.maps, nic, plan.egress_of[interface], targets)
                done.append(_put_ingress(interface, program, undo))
        if running is not None:
            new.set(settings, force=True)  # checked before
            new.addresses.change(changes)
            done += _take_off_egress(interface for interface in running.egress if interface not in plan.points)
        is_kept = running is not None and running.flow_table.info.id == new.flow_table.info.id
        return FastPathAttached(done, table_status(new.flow_table), is_kept, _without_clients(new))


def detach_fastpath(ingress: list[str] | None = None, egress: list[str] | None = None) -> list[Change]:
    """Take the fast path off these interfaces; off all if none are named. Returns what was done.

    ingress: both programs go. egress: only the egress program goes, which an interface with ingress needs.

    Raises UsageError, EcbpfError (it is on none of them), KernelError.
    """
    with locked():
        everywhere = ingress is None and egress is None
        from_ingress, from_egress = ingress_interfaces(), egress_interfaces(EGRESS)
        if not from_ingress and not from_egress:
            raise EcbpfError(Ingress.name, "not attached")
        if not everywhere:
            named = [*(ingress or []), *(egress or [])]
            for interface in egress or []:
                if interface in from_ingress and interface not in (ingress or []):
                    why = "client packets come in there too, and ingress needs the egress program"
                    raise UsageError(interface, why, f"{Ingress.command} detach -i {interface}")
            from_ingress = [interface for interface in from_ingress if interface in (ingress or [])]
            from_egress = [interface for interface in from_egress if interface in named]
            if not from_ingress and not from_egress:
                where = f"not attached to {', '.join(named)}"
                raise EcbpfError(Ingress.name, where, f"{Ingress.command} status says where it is")
        return [*(empty(interface, SLOT) for interface in from_ingress), *_take_off_egress(from_egress)]


def change_fastpath(
    settings: Values, addresses: AddressChange | None = None, *, force: bool = False, dry_run: bool = False
) -> FastPathChanged:
    """Change settings and addresses, all of them or none; dry_run: only say which settings would change.

    Raises as find_fastpath(), RunningFastPath.check(), Addresses.check().
    """
    with locked():
        running = find_fastpath()
        before = running.settings
        running.check(settings, force=force)
        if addresses is not None:
            running.addresses.check(addresses)
        if not dry_run:
            running.set(settings, force=force)
            if addresses is not None:
                running.addresses.change(addresses)
        return FastPathChanged(
            [SettingChange("", name, before[name], value) for name, value in settings.items()],
            None if addresses is None else len(running.addresses.excluded),
            _without_clients(running) if settings and not dry_run else [],
        )


def _without_clients(running: RunningFastPath) -> list[str]:
    return egress_without_clients(running.settings, running.ingress, running.egress)


def _load_egress(
    plan: Plan,
    running: RunningFastPath | None,
    flows: int | None,
    settings: Values,
    objects: contextlib.ExitStack,
) -> dict[Egress, Program]:
    """The egress programs, not attached yet. settings: of a new fast path; those of a running one stay."""
    loaded: dict[Egress, Program] = {}
    maps: dict[str, Map] = running.maps if running is not None else {}
    for egress in dict.fromkeys(plan.egress_of[point] for point in plan.points):
        new = load_egress(egress, maps, None if loaded else flows, {} if running is not None else settings)
        loaded[egress] = objects.enter_context(new).programs.tc_fastpath_prog
        maps = maps_of(loaded[egress])
    return loaded


def _put_egress(interface: str, program: Program, undo: contextlib.ExitStack) -> Change:
    before = egress_program(interface, EGRESS)
    done = put_egress(interface, program)
    if before is not None:
        undo.callback(put_egress, interface, before)
    else:
        undo.callback(take_off_egress, interface, EGRESS)
    return done


def _put_ingress(interface: str, program: Ingress, undo: contextlib.ExitStack) -> Change:
    before = program_in(find_root(interface), SLOT)
    done = put(interface, program)
    undo.callback(put_back, interface, SLOT, before)
    return done


def _take_off_egress(interfaces: Iterable[str]) -> list[Change]:
    return [
        Change(interface, "egress program", "detached")
        for interface in interfaces
        if take_off_egress(interface, EGRESS)
    ]


@contextlib.contextmanager
def _undone_on_error() -> Iterator[contextlib.ExitStack]:
    """A stack whose callbacks are called if the block fails, and forgotten if it does not."""
    with contextlib.ExitStack() as undo:
        yield undo
        undo.pop_all()
