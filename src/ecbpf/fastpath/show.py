"""What a fast path is told and knows, what it did, and its flows: as data, and as text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from ecbpf.fastpath.director import Director
from ecbpf.fastpath.flows import Flow, count_flows, iterate_flows
from ecbpf.fastpath.programs import made_for
from ecbpf.kernel.map import Map
from ecbpf.netdev.links import links

__all__ = [
    "counters_text",
    "flows_json",
    "flows_of",
    "flows_text",
    "parameters",
    "parameters_text",
    "rates",
    "rates_text",
    "table_of",
    "table_text",
    "word",
]

# The columns of the flows' table, and to which side each is pushed.
_COLUMNS = dict.fromkeys(("PROTO", "CLIENT", "VIP", "SERVER", "INTERFACE"), "<")
_COLUMNS |= dict.fromkeys(("VLAN", "BYPASSED", "UP", "IDLE"), ">") | {"STATE": "<"}
_FIRST = 1000


def parameters(director: Director) -> dict[str, Any]:
    """Interfaces, settings, the table, addresses, as `show --json` prints it. Raises KernelError."""
    addresses = director.addresses
    return {
        "ingress": director.ingress,
        "egress": director.egress,
        "settings": director.settings,
        "table": table_of(director.table),
        "addresses": {
            "interfaces": addresses.interfaces,
            "own": [str(address) for address in addresses.own],
            "excluded": [str(address) for address in addresses.excluded],
        },
    }


def table_of(table: Map) -> dict[str, int]:
    """How many flows the table holds, how many it is made for, and what it takes. Raises KernelError."""
    info = table.info
    return {
        "flows": count_flows(table),
        "made_for": made_for(info.max_entries),
        "bytes": info.max_entries * info.value_size,
    }


def table_text(table: dict[str, int]) -> str:
    """A few words of table_of()."""
    return f"{_many(table['flows'], 'flow')}, made for {table['made_for']}, {table['bytes'] / 2**20:.3g} MiB"


def parameters_text(state: dict[str, Any]) -> str:
    """The text of parameters(), without a final newline."""
    addresses = state["addresses"]
    return "\n".join(
        [
            f"ingress: {' '.join(state['ingress']) or '-'}",
            f"egress: {' '.join(state['egress']) or '-'}",
            *(f"{name}: {word(value)}" for name, value in state["settings"].items()),
            f"flow table: {table_text(state['table'])}",
            f"address interfaces: {' '.join(addresses['interfaces']) or 'all'}",
            f"own addresses: {' '.join(addresses['own']) or '-'}",
            f"excluded addresses: {' '.join(addresses['excluded']) or '-'}",
        ]
    )


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def word(value: bool | int) -> str:
    """A setting's value as it is typed."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def counters_text(counts: dict[str, int]) -> str:
    """A line a counter, without a final newline."""
    return "\n".join(f"{name}: {count}" for name, count in counts.items())


def rates(before: dict[str, int], now: dict[str, int], seconds: float) -> dict[str, float]:
    """How many a second, by counter; 0 for one that began anew in between."""
    return {name: round(max(0, count - before.get(name, 0)) / seconds, 1) for name, count in now.items()}


def rates_text(now: dict[str, int], rates: dict[str, float]) -> str:
    """A line a counter: its count, and how many a second, and an empty line."""
    width = max(map(len, now))
    return "".join(f"{name:{width}} {count:>16} {rates[name]:>12.0f}/s\n" for name, count in now.items())


def flows_of(director: Director, *, by_silence: bool = False, server: str = "") -> Iterator[dict[str, Any]]:
    """The flows as `ecbpf fastpath flows --json` prints them; as flows.iterate_flows(). Raises KernelError."""
    names = {link.ifindex: link.name for link in links().values()}
    for flow in iterate_flows(director.table, by_silence=by_silence, server=server):
        yield _shown(flow, names)


def _shown(flow: Flow, names: dict[int, str]) -> dict[str, Any]:
    shown = flow._asdict()
    port = shown.pop("port")
    shown["interface"] = names.get(port, str(port))
    return shown | {"age": round(flow.age, 3), "idle": round(flow.idle, 3)}


def flows_json(flows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Parts of an array of flows_of(), one on a line."""
    before = "["
    for flow in flows:
        yield f"{before}\n  {json.dumps(flow)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def flows_text(flows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """The lines of a table of flows_of(), as wide as its first ones need it."""
    lines = (_cells(flow) for flow in flows)
    first = [tuple(_COLUMNS), *itertools.islice(lines, _FIRST)]
    widths = [max(map(len, cells)) for cells in zip(*first, strict=True)]
    row = " ".join(f"{{:{side}{width}}}" for side, width in zip(_COLUMNS.values(), widths, strict=True))
    for cells in itertools.chain(first, lines):
        yield f"{row.format(*cells).rstrip()}\n"


def _cells(flow: dict[str, Any]) -> tuple[str, ...]:
    return (
        flow["proto"],
        _end(flow["client"], flow["client_port"]),
        _end(flow["vip"], flow["vip_port"]),
        flow["server"],
        flow["interface"],
        str(flow["vlan"] or "-"),
        str(flow["bypassed"]),
        str(flow["up"]),
        f"{flow['idle']:.1f}",
        flow["state"],
    )


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
