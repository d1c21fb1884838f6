"""What a fast path is told and knows, what it did, and its flows: as data, and as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ecbpf.fastpath.director import Director
from ecbpf.fastpath.flows import Flow, count_flows, read_flows
from ecbpf.netdev.links import links

__all__ = [
    "SORTS",
    "counters_text",
    "flows_of",
    "flows_text",
    "parameters",
    "parameters_text",
    "rates_text",
    "word",
]

# By what `flows --sort` sorts, the most interesting first.
SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pkts": lambda flow: -(flow["bypassed"] + flow["up"]),
    "idle": lambda flow: flow["idle"],
}
_FLOW = (
    "{proto:5} {client:45} {vip:45} {server:17} {interface:15} {vlan:>4} {bypassed:>12} {up:>8} {idle:>7} {state}"
)


def parameters(director: Director) -> dict[str, Any]:
    """Interfaces, settings, the table, addresses, as `show --json` prints it. Raises KernelError."""
    table = director.table.info
    addresses = director.addresses
    return {
        "ingress": director.ingress,
        "egress": director.egress,
        "settings": director.settings,
        "table": {
            "flows": count_flows(director.table),
            "places": table.max_entries * 8,
            "bytes": table.max_entries * table.value_size,
        },
        "addresses": {
            "interfaces": addresses.interfaces,
            "own": [str(address) for address in addresses.own],
            "excluded": [str(address) for address in addresses.excluded],
        },
    }


def parameters_text(state: dict[str, Any]) -> str:
    """The text of parameters(), without a final newline."""
    table, addresses = state["table"], state["addresses"]
    return "\n".join(
        [
            f"ingress: {' '.join(state['ingress']) or '-'}",
            f"egress: {' '.join(state['egress']) or '-'}",
            *(f"{name}: {word(value)}" for name, value in state["settings"].items()),
            f"table: {table['flows']} flows, {table['places']} places, {table['bytes'] / 2**20:.0f} MiB",
            f"own addresses: {' '.join(addresses['own']) or '-'}",
            f"excluded addresses: {' '.join(addresses['excluded']) or '-'}",
        ]
    )


def word(value: bool | int) -> str:
    """A setting's value as it is typed."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def counters_text(counts: dict[str, int]) -> str:
    """A line a counter, without a final newline."""
    return "\n".join(f"{name}: {count}" for name, count in counts.items())


def rates_text(before: dict[str, int], now: dict[str, int], seconds: float) -> str:
    """A line a counter: its count, and how many a second between the two, without a final newline."""
    return "\n".join(
        f"{name}: {count} {max(0, count - before.get(name, 0)) / seconds:.0f}/s" for name, count in now.items()
    )


def flows_of(director: Director, *, server: str = "", sort: str = "pkts") -> list[dict[str, Any]]:
    """The flows as `ecbpf fastpath flows --json` prints them. server: only those of this MAC. sort: one of SORTS.

    Raises KernelError.
    """
    names = {link.ifindex: link.name for link in links().values()}
    found = [_shown(flow, names) for flow in read_flows(director.table) if server in ("", flow.server)]
    return sorted(found, key=SORTS[sort])


def _shown(flow: Flow, names: dict[int, str]) -> dict[str, Any]:
    shown = flow._asdict()
    port = shown.pop("port")
    shown["interface"] = names.get(port, str(port))
    return shown | {"age": round(flow.age, 3), "idle": round(flow.idle, 3)}


def flows_text(flows: list[dict[str, Any]]) -> str:
    """A table of flows_of(), without a final newline."""
    head = {name: name.upper() for name in ("proto", "client", "vip", "server", "interface", "vlan", "up", "idle")}
    lines = [_FLOW.format(**head, bypassed="BYPASSED", state="STATE")]
    for flow in flows:
        ends = {end: _end(flow[end], flow[f"{end}_port"]) for end in ("client", "vip")}
        lines.append(_FLOW.format(**flow | ends | {"idle": f"{flow['idle']:.1f}", "vlan": flow["vlan"] or "-"}))
    return "\n".join(lines)


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
