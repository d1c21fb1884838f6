"""What a filter is told and did: as data, and as the text that operators know."""

from __future__ import annotations

import time
from typing import Any

from ecbpf.filter.lists import ALLOW, DROP, Kind, Lists
from ecbpf.filter.prefix import BITS, Rows, text_of
from ecbpf.filter.running import find_filter
from ecbpf.filter.settings import DEFAULTS

__all__ = ["entries", "filter_status", "filter_status_text", "load_time"]

# Shown always; the others where they differ from the default.
_CLASSIC = ("frags_drop", "ptb_send", "ptb_max_pps")


def filter_status(interface: str) -> dict[str, Any]:
    """The state of the filter on an interface, as `xdp_filter --status --json` prints it.

    ``source_allows`` is there if something is allowed. Raises as find_filter().
    """
    running = find_filter(interface)
    lists = running.sets.read()
    state = {
        "configuration": running.settings,
        "stats": running.counters(),
        "source_drops": entries(lists, DROP),
    }
    if lists.count(ALLOW):
        state["source_allows"] = entries(lists, ALLOW)
    return state


def entries(lists: Lists, kind: Kind) -> list[dict[str, Any]]:
    """The prefixes of a list, IPv4 first, each in order."""
    tags = [lists.tag(number) for number in range(len(lists.tags))]
    return [each for family in BITS for each in _entries(family, lists.rows[kind, family], tags)]


def _entries(family: int, rows: Rows, tags: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "Address": text_of(family, upper, lower),
            "PrefixLen": length,
            "Tag": tags[tag],
            "Load Time": load_time(seconds),
        }
        for upper, lower, seconds, tag, length in rows.tolist()
    ]


def load_time(seconds: int) -> str:
    """Seconds since 1970 as a date (RFC 5322, section 3.3)."""
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(seconds))


def filter_status_text(interface: str, state: dict[str, Any]) -> str:
    """The text of filter_status(), without a final newline."""
    shown = {
        name: value
        for name, value in state["configuration"].items()
        if name in _CLASSIC or value != DEFAULTS.get(name)
    }
    lines = [
        f"=================== Status for interface '{interface}' ===================",
        "Current Configuration:",
        "",
        *(_setting(name, value) for name, value in shown.items()),
        "",
        *_map_lines("Drop", interface, state["source_drops"]),
    ]
    if "source_allows" in state:
        lines += _map_lines("Allow", interface, state["source_allows"])
    lines += [f"Stats for interface '{interface}':", ""]
    lines += [f"{name}: {count}" for name, count in state["stats"].items()]
    return "\n".join(lines)


def _setting(name: str, value: bool | int) -> str:
    return f"{name}? {str(value).lower()}" if isinstance(value, bool) else f"{name}: {value}"


def _map_lines(which: str, interface: str, listed: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"Address: {each['Address']}/{each['PrefixLen']}\tTag: {each['Tag']}\tLoad Time: {each['Load Time']}"
        for each in listed
    ]
    return [f"{which} Maps for interface '{interface}':", "", *lines, *([""] if lines else [])]
