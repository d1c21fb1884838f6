"""What operators do to the lists of running filters: list, unlist, clear; each for several interfaces.

All interfaces are planned before one is changed, so that what cannot be done to one is done to none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import NamedTuple

from ecbpf.chain.pins import locked
from ecbpf.errors import EcbpfError
from ecbpf.filter.batch import Batch
from ecbpf.filter.lists import ALLOW, DROP, Kind, Lists
from ecbpf.filter.lockout import locked_out
from ecbpf.filter.prefix import BITS, Prefix, Rows, text_of
from ecbpf.filter.rows import covering, find, merged, without
from ecbpf.filter.running import RunningFilter, find_filter

__all__ = ["Summary", "clear_lists", "list_prefixes", "unlist_prefixes"]


class Summary(NamedTuple):
    """What was done, or would be, to one list of one interface.

    added, renewed (listed before: they have a new time, and tag), removed, total: prefixes of both families.
    notes: what is not as one may think. warnings: who is locked out by it.
    """

    interface: str
    kind: Kind
    added: int
    renewed: int
    removed: int
    total: int
    notes: list[str]
    warnings: list[str]


class _Plan(NamedTuple):
    running: RunningFilter
    before: Lists
    after: Lists
    summary: Summary


def list_prefixes(
    interfaces: list[str], kind: Kind, batch: Batch, *, replace: bool = False, dry_run: bool = False
) -> list[Summary]:
    """List prefixes in the drop or allow set. replace: in the place of all that are listed there.

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
            added=added,
            renewed=_distinct(batch.rows) - added,
            removed=removed,
            total=after.count(kind),
            notes=[],
            warnings=locked_out(running.interface, before, after) if drops_more else [],
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
            places = [_place(running.interface, kind, rows, each) for each in prefixes if each.family == family]
            if places:
                after = after.replaced(kind, family, without(rows, places))
        notes = [note for each in prefixes for note in _still_covered(after, kind, each)]
        removed = before.count(kind) - after.count(kind)
        warnings = locked_out(running.interface, before, after) if kind == ALLOW else []
        summary = Summary(running.interface, kind, 0, 0, removed, after.count(kind), notes, warnings)
        return _Plan(running, before, after, summary)

    return _carry_out(interfaces, plan, dry_run)


def clear_lists(interfaces: list[str], *, dry_run: bool = False) -> list[Summary]:
    """Empty the drop sets; allow sets stay. dry_run: change nothing. Raises as find_filter()."""

    def plan(running: RunningFilter, before: Lists) -> _Plan:
        after = _emptied(before, DROP)
        return _Plan(running, before, after, Summary(running.interface, DROP, 0, 0, before.count(DROP), 0, [], []))

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
    """All that can fail for one comes before the change of any."""
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


def _place(interface: str, kind: Kind, rows: Rows, prefix: Prefix) -> int:
    place = find(rows, prefix)
    if place is None:
        raise EcbpfError(
            f"{interface}: {prefix}",
            f"not in the {kind} set",
            f"ecbpf filter check -i {interface} {str(prefix).partition('/')[0]} says what covers it",
        )
    return place


def _still_covered(after: Lists, kind: Kind, prefix: Prefix) -> list[str]:
    """That a prefix is in the set still, because of a larger one."""
    rows = after.rows[kind, prefix.family]
    places = covering(rows, prefix.upper, prefix.lower, prefix.length)
    if not places:
        return []
    upper, lower, _time, _tag, length = rows[places[0]].tolist()
    return [f"{prefix} is still covered by {text_of(prefix.family, upper, lower, length)}"]
