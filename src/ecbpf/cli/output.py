"""Text and JSON of the results that several commands print."""

import io
import sys
import time

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ecbpf.chain.change import Change
    from ecbpf.chain.status import InterfaceStatus, RootStatus, SlotStatus
    from ecbpf.subprogram.rates import Rates
    from ecbpf.subprogram.settings import SettingChange
    from ecbpf.subprogram.status import SubprogramStatus

__all__ = [
    "change_text",
    "counters_text",
    "date",
    "flush",
    "notice",
    "print_changes",
    "print_cleared",
    "print_json",
    "print_rates",
    "print_setting_changes",
    "print_status",
    "print_subprogram_status",
    "set_output",
    "warn",
]

_HEADER = (
    "SLOT | ID    | NAME                     | LOAD TIME                            | XDP_ABORTED      | "
    "XDP_DROP         | XDP_PASS         | XDP_TX           | XDP_REDIRECT     | XDP_INVALID_ACTION"
)


def set_output(encoding: "str | None" = None) -> None:
    """Escape characters that the encoding of standard output lacks: prefix tags may be any text.

    encoding: change to this encoding.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def flush() -> None:
    """Write what was printed, where there is a standard output: a service may be started without one."""
    if sys.stdout is not None:
        sys.stdout.flush()


def date(seconds: float) -> str:
    """Seconds since 1970 as a date (RFC 5322, section 3.3)."""
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(seconds))


def notice(text: str) -> None:
    """Print one line on standard error."""
    print(f"ecbpf: {text}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print a warning on standard error."""
    notice(f"warning: {text}")


def print_json(value: "Any", *, on_one_line: bool = False) -> None:
    """Print JSON in UTF-8 (RFC 8259)."""
    import json

    set_output("utf-8")
    print(json.dumps(value, indent=None if on_one_line else 2, ensure_ascii=False), flush=on_one_line)


def print_changes(changes: "Iterable[Change]") -> None:
    """Print one line per change, as soon as it is made."""
    for change in changes:
        print(f"{change.interface}: {change_text(change)}", flush=True)


def change_text(change: "Change") -> str:
    """What was done, as text."""
    subject, action = change.subject, change.action
    if action == "emptied":
        return f"slot {change.slot} emptied"
    if action == "detached":
        return f"{subject} {'taken off' if subject == 'egress program' else 'detached'}"
    in_place_of = f" in place of {change.in_place_of}" if change.in_place_of else ""
    if change.slot is not None:
        return f"{subject} {'put' if action == 'attached' else action} in slot {change.slot}{in_place_of}"
    if subject == "root array" and action == "replaced":
        in_place_of = " in place"
    return f"{subject} {action}{in_place_of} ({change.mode})"


def print_cleared(names: "Iterable[str]") -> None:
    """One line per interface or subprogram whose counts are 0 now."""
    for name in names:
        print(f"{name}: counts cleared")


def print_setting_changes(changes: "Iterable[SettingChange]", *, dry_run: bool) -> None:
    """Print one line per setting, with its values before and after. dry_run: nothing was changed."""
    from ecbpf.subprogram.settings import word

    now, then = ("would be", "is") if dry_run else ("is", "was")
    for change in changes:
        where = f"{change.interface}: " if change.interface else ""
        print(f"{where}{change.name} {now} {word(change.after)}, {then} {word(change.before)}")


def counters_text(counts: dict[str, int]) -> str:
    """One line per counter, without a newline at the end."""
    return "\n".join(f"{name}: {count}" for name, count in counts.items())


def print_rates(rates: "dict[str, Rates]", *, as_json: bool) -> None:
    """Print counts and rates once (--watch). rates: by interface, "" for all together. JSON is on one line."""
    if as_json:
        shown = {name: vars(each) for name, each in rates.items()}
        print_json(shown.get("", shown), on_one_line=True)
        return
    for name, each in rates.items():
        width = max(map(len, each.counts), default=0)
        if name:
            print(f"{name}:")
        for counter, count in each.counts.items():
            print(f"{counter:{width}} {count:>16} {each.rates[counter]:>12.0f}/s")
        print(flush=True)


def print_subprogram_status(states: "list[SubprogramStatus]", *, as_json: bool) -> None:
    """Print the settings and counters of a subprogram by interface."""
    if as_json:
        print_json({state.interface: _subprogram_json(state) for state in states})
        return
    from ecbpf.subprogram.settings import word

    for state in states:
        print(f"{state.interface}: slot {state.slot}, ID {state.program_id}, loaded {date(state.load_time)}")
        for name, value in state.settings.items():
            print(f"  {name}: {word(value)}")
        for name, count in state.counters.items():
            print(f"  {name}: {count}")


def _subprogram_json(state: "SubprogramStatus") -> "dict[str, Any]":
    return {
        "slot": state.slot,
        "id": state.program_id,
        "load_time": date(state.load_time),
        "settings": state.settings,
        "counters": state.counters,
    }


def print_status(states: "list[InterfaceStatus]", *, as_json: bool) -> None:
    """Print the table of `ecbpf status`, or its JSON."""
    if as_json:
        print_json({state.interface: _interface_json(state) for state in states})
        return
    for state in states:
        for line in _interface_lines(state):
            print(line)


def _interface_json(state: "InterfaceStatus") -> "dict[str, Any]":
    root = state.root
    if root is None:
        return {"root_loaded": False} | ({"other_program": state.other_program} if state.other_program else {})
    return {
        "root_loaded": True,
        "mode": root.mode,
        "id": root.program_id,
        "load_time": date(root.load_time),
        "subprograms": [_slot_json(slot) for slot in root.slots],
        "root_statistics": root.own_counts,
        "statistics": root.counts,
    }


def _slot_json(slot: "SlotStatus") -> "dict[str, Any]":
    if slot.program_id is None:
        return {"slot": slot.slot, "prog_loaded": False, "statistics": slot.counts}
    return {
        "slot": slot.slot,
        "prog_loaded": True,
        "id": slot.program_id,
        "name": slot.name,
        "load_time": date(slot.load_time),
        "statistics": slot.counts,
    }


def _interface_lines(state: "InterfaceStatus") -> list[str]:
    first = f"Interface {state.interface} status:"
    if state.root is None:
        other = [f"{state.other_program}."] if state.other_program else []
        return [first, f"Root array not attached to interface {state.interface}.", *other]
    return [first, _HEADER, *(_slot_row(slot) for slot in state.root.slots), _root_line(state.root)]


def _root_line(root: "RootStatus") -> str:
    from ecbpf.chain.counters import VERDICTS

    own = ", ".join(f"{verdict} {root.own_counts[verdict]}" for verdict in VERDICTS)
    return f"Mode {root.mode}; the root itself (ID {root.program_id}, loaded {date(root.load_time)}): {own}"


def _slot_row(slot: "SlotStatus") -> str:
    from ecbpf.chain.counters import VERDICTS

    is_empty = slot.program_id is None
    cells = [f"{slot.slot:>4}", f"{'-' if is_empty else slot.program_id:>5}", f"{slot.name or '-':<24}"]
    cells.append(f"{'-' if is_empty else date(slot.load_time):<36}")
    cells += [f"{slot.counts[verdict]:>16}" for verdict in VERDICTS]
    return " | ".join(cells)
