"""What operators do to the lists of running filters: list, unlist, flush; each for several interfaces.

All interfaces are planned before one is changed: what fails on one interface changes none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import NamedTuple

from ecbpf.chain.pins import locked
from ecbpf.errors import EcbpfError
from ecbpf.filter.batch import Batch
from ecbpf.filter.lists import ALLOW, DROP, Kind, Lists
from ecbpf.filter.lockout import Lockout, locked_out
from ecbpf.filter.prefix import BITS, Prefix, Rows
from ecbpf.filter.rows import covering, find, merged, without
from ecbpf.filter.running import RunningFilter, find_filter

__all__ = ["Covered", "Summary", "flush", "list_prefixes", "unlist_prefixes"]


class Covered(NamedTuple):
    """A prefix that was taken off a list, and is in the set all the same: by a larger one."""

    prefix: Prefix
    by: Prefix


class Summary(NamedTuple):
    """What was done, or would be, to one list of one interface.

    added, renewed (listed before: they have a new time and prefix tag), removed, total: prefixes of both families.
    """

    interface: str
    kind: Kind
    total: int
    added: int = 0
    renewed: int = 0
    removed: int = 0
    still_covered: tuple[Covered, ...] = ()
    lockouts: tuple[Lockout, ...] = ()


class _Plan(NamedTuple):
    running: RunningFilter
    before: Lists
    after: Lists
    summary: Summary


def list_prefixes(
    interfaces: list[str], kind: Kind, batch: Batch, *, replace: bool = False, dry_run: bool = False
) -> list[Summary]:
    """List prefixes in the drop or allow set. replace: instead of all that are listed there.

    dry_run: change nothing. Raises DataError (too many), and as find_filter(); then nothing is changed.
    """

    def plan(running: RunningFilter, before: Lists) -> _Plan:
        base = _emptied(before, kind) if replace else before
        after = base.added(kind, batch.rows, batch.tags)
        joint = after.count(kind)
        if replace:
            joint = sum(len(merged(before.rows[kind, family], after.rows[kind, family])) for family in BITS)
        added, removed = joint - before.count(kind), joint - after.count(kind)
        drops_more = added if kind == DROP else removed
        summary = Summary(
            running.interface,
            kind,
            total=after.count(kind),
            added=added,
            renewed=_distinct(batch.rows) - added,
            removed=removed,
            lockouts=tuple(locked_out(before, after)) if drops_more else (),
        )
        return _Plan(running, before, after, summary)

    return _carry_out(interfaces, plan, dry_run)


def unlist_prefixes(
    interfaces: list[str], kind: Kind, prefixes: list[Prefix], *, dry_run: bool = False
) -> list[Summary]:
    """Take prefixes off the drop or allow set. dry_run: change nothing.

    Raises EcbpfError if one is not listed, and as find_filter(); then nothing is changed.
    """

    def plan(running: RunningFilter, before: Lists) -> _Plan:
        after = before
        for family in BITS:
            rows = before.rows[kind, family]
            indices = [_index(running.interface, kind, rows, each) for each in prefixes if each.family == family]
            if indices:
                after = after.replaced(kind, family, without(rows, indices))
        summary = Summary(
            running.interface,
            kind,
            total=after.count(kind),
            removed=before.count(kind) - after.count(kind),
            still_covered=tuple(found for each in prefixes for found in _still_covered(after, kind, each)),
            lockouts=tuple(locked_out(before, after)) if kind == ALLOW else (),
        )
        return _Plan(running, before, after, summary)

    return _carry_out(interfaces, plan, dry_run)


def flush(interfaces: list[str], *, dry_run: bool = False) -> list[Summary]:
    """Empty the drop sets; allow sets stay. dry_run: change nothing. Raises as find_filter()."""

    def plan(running: RunningFilter, before: Lists) -> _Plan:
        summary = Summary(running.interface, DROP, total=0, removed=before.count(DROP))
        return _Plan(running, before, _emptied(before, DROP), summary)

    return _carry_out(interfaces, plan, dry_run)


def _carry_out(
    interfaces: list[str], plan: Callable[[RunningFilter, Lists], _Plan], dry_run: bool
) -> list[Summary]:
    with locked():
        plans = []
        for interface in interfaces:
            running = find_filter(interface)
            plans.append(plan(running, running.sets.read()))
        if not dry_run:
            _change_all(plans)
    return [each.summary for each in plans]


def _change_all(plans: list[_Plan]) -> None:
    """Everything that can fail for one interface comes before the change of the first."""
    with contextlib.ExitStack() as undo:
        for each in plans:
            each.running.sets.prepare(each.after, each.before)
            undo.callback(each.running.sets.discard)
        undo.pop_all()
    for each in plans:
        each.running.sets.commit()


def _emptied(lists: Lists, kind: Kind) -> Lists:
    for family in BITS:
        rows = lists.rows[kind, family]
        if len(rows):
            lists = lists.replaced(kind, family, rows[:0])
    return lists


def _distinct(rows: dict[int, Rows]) -> int:
    return sum(len(merged(each[:0], each)) for each in rows.values())


def _index(interface: str, kind: Kind, rows: Rows, prefix: Prefix) -> int:
    index = find(rows, prefix)
    if index is None:
        raise EcbpfError(
            f"{interface}: {prefix}",
            f"not in the {kind} set",
            f"ecbpf filter check -i {interface} {str(prefix).partition('/')[0]} says what covers it",
        )
    return index


def _still_covered(after: Lists, kind: Kind, prefix: Prefix) -> list[Covered]:
    rows = after.rows[kind, prefix.family]
    indices = covering(rows, prefix.upper, prefix.lower, prefix.length)
    if not indices:
        return []
    upper, lower, _time, _tag, length = rows[indices[0]].tolist()
    return [Covered(prefix, Prefix(prefix.family, upper, lower, length, had_host_bits=False))]
