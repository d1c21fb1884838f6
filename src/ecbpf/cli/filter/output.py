"""What the filter's commands print: the texts and the JSON."""

from ecbpf.cli.output import date, print_json, warn
from ecbpf.filter.lists import ALLOW, DROP
from ecbpf.filter.lockout import GATEWAY, SSH_PEER
from ecbpf.filter.prefix import parse_prefix
from ecbpf.filter.subprogram import Filter

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ecbpf.filter.change import Summary
    from ecbpf.filter.lockout import Lockout
    from ecbpf.filter.status import AddressCheck, Entry, FilterStatus

__all__ = [
    "check_json",
    "check_text",
    "entries_json",
    "print_host_bits",
    "print_json_by_interface",
    "print_summaries",
    "status_json",
    "status_text",
]

# These settings are always in the text of the status; others where they differ from the default.
_ALWAYS = ("frags_drop", "ptb_send", "ptb_max_pps")
_WHO = {GATEWAY: "this host's default gateway", SSH_PEER: "where an ssh session comes from"}


def print_json_by_interface(by_interface: "dict[str, Any]") -> None:
    """Of one interface its value alone, of several an object with their names."""
    print_json(by_interface if len(by_interface) > 1 else next(iter(by_interface.values())))


def status_json(state: "FilterStatus") -> "dict[str, Any]":
    """``source_allows`` is there if something is allowed."""
    shown = {
        "configuration": state.settings,
        "stats": state.counters,
        "source_drops": entries_json(state.drops),
    }
    return shown | ({"source_allows": entries_json(state.allows)} if state.allows else {})


def entries_json(listed: "Iterable[Entry]") -> "list[dict[str, Any]]":
    """The prefixes of a list."""
    return [
        {"Address": address, "PrefixLen": length, "Tag": tag, "Load Time": date(time)}
        for address, length, tag, time in listed
    ]


def status_text(state: "FilterStatus") -> str:
    """The text of a status, without a final newline."""
    defaults = Filter.table.defaults
    lines = [
        f"=================== Status for interface '{state.interface}' ===================",
        "Current Configuration:",
        "",
        *(
            _setting_text(name, value)
            for name, value in state.settings.items()
            if name in _ALWAYS or value != defaults.get(name)
        ),
        "",
        *_list_lines("Drop", state.interface, state.drops),
        *(_list_lines("Allow", state.interface, state.allows) if state.allows else ()),
        f"Stats for interface '{state.interface}':",
        "",
        *(f"{name}: {count}" for name, count in state.counters.items()),
    ]
    return "\n".join(lines)


def _setting_text(name: str, value: bool | int) -> str:
    return f"{name}? {str(value).lower()}" if isinstance(value, bool) else f"{name}: {value}"


def _list_lines(which: str, interface: str, listed: "list[Entry]") -> list[str]:
    lines = [
        f"Address: {address}/{length}\tTag: {tag}\tLoad Time: {date(time)}"
        for address, length, tag, time in listed
    ]
    return [f"{which} Maps for interface '{interface}':", "", *lines, *([""] if lines else [])]


def check_json(found: "AddressCheck") -> "dict[str, Any]":
    """``drop`` and ``allow`` are there if the address is in that set."""
    entries = {DROP: found.drop, ALLOW: found.allow}
    shown = {
        kind: {"Prefix": f"{entry.address}/{entry.length}", "Tag": entry.tag, "Load Time": date(entry.time)}
        for kind, entry in entries.items()
        if entry is not None
    }
    return {"Address": found.address, **shown, "Dropped": found.dropped}


def check_text(found: "AddressCheck") -> str:
    """A sentence."""
    text = f"{found.address} is {'dropped' if found.dropped else 'not dropped'}"
    if found.allow is not None:
        text += f": allowed by {_entry_text(found.allow)}"
    if found.drop is not None:
        text += f"{', though listed' if found.allow is not None else ''} by {_entry_text(found.drop)}"
    return text


def _entry_text(entry: "Entry") -> str:
    tag = f"{entry.tag}, " if entry.tag else ""
    return f"{entry.address}/{entry.length} ({tag}since {date(entry.time)})"


def print_host_bits(count: int, example: str) -> None:
    """Say that prefixes are not listed as they were given. count: how many; example: the first."""
    if count:
        others = f", and {count - 1} more" if count > 1 else ""
        print(f"host bits cleared: {example} is {parse_prefix(example)}{others}")


def print_summaries(summaries: "Iterable[Summary]", *, dry_run: bool) -> None:
    """Say what was done on each interface; warnings go to standard error."""
    for each in summaries:
        parts = [(each.added, "added"), (each.removed, "removed"), (each.renewed, "renewed")]
        done = ", ".join(f"{count} {what}" for count, what in parts if count)
        would = "dry run: " if dry_run else ""
        print(f"{each.interface}: {would}{done or 'nothing to change'}; {each.total} in the {each.kind} set")
        for prefix, by in each.still_covered:
            print(f"{each.interface}: {prefix} is still covered by {by}")
        for lockout in each.lockouts:
            warn(f"{each.interface}: {_lockout_text(each.interface, lockout)}")


def _lockout_text(interface: str, lockout: "Lockout") -> str:
    who, address = _WHO[lockout.who], lockout.address
    if not address:
        return f"cannot check whether it drops {who}: {lockout.failure}"
    return f"drops {address}, {who}; ecbpf filter allow -i {interface} {address} lets it through"
