"""What ``ecbpf fastpath`` prints: text and JSON."""

from __future__ import annotations

import itertools
import json
import sys

from ecbpf.cli.output import counters_text, flush, print_changes, print_json, print_setting_changes, warn
from ecbpf.subprogram.settings import word

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from ecbpf.chain.change import Change
    from ecbpf.fastpath.flows import Flow
    from ecbpf.fastpath.status import FastPathStatus, TableStatus
    from ecbpf.fastpath.verbs import FastPathAttached, FastPathChanged
    from ecbpf.netdev.addresses import IpAddress

__all__ = ["print_addresses", "print_attached", "print_changed", "print_flows", "print_status"]

# The columns of the table of flows, and how each is aligned.
_COLUMNS = dict.fromkeys(("PROTO", "CLIENT", "VIP", "SERVER", "INTERFACE"), "<")
_COLUMNS |= dict.fromkeys(("VLAN", "BYPASSED", "UP", "IDLE"), ">") | {"STATE": "<"}
_FIRST = 1000  # flows that the columns are made wide enough for


def print_attached(done: FastPathAttached, before: Iterable[Change] = ()) -> None:
    """What was done, before and by an attach, and the flow table."""
    print_changes([*before, *done.changes])
    print(f"{'flow table kept' if done.is_table_kept else 'new flow table'}: {_table_text(done.table)}")
    _warn(done.without_clients)


def print_changed(done: FastPathChanged, *, dry_run: bool) -> None:
    """One line per setting, and how many addresses are excluded if that was to change."""
    print_setting_changes(done.settings, dry_run=dry_run)
    if done.excluded is not None:
        print(f"excluded addresses: {done.excluded}")
    _warn(done.without_clients)


def _warn(interfaces: list[str]) -> None:
    for interface in interfaces:
        warn(
            f"{interface}: no packets of clients come in here, so flows that IPVS sends by it are left to IPVS; "
            "see redirect and vlan in docs/fastpath.md"
        )


def print_status(status: FastPathStatus, *, counters: bool, as_json: bool) -> None:
    """Interfaces, settings, flow table, addresses. counters: and the counts."""
    if as_json:
        print_json(_parameters(status) | ({"counters": status.counters} if counters else {}))
        return
    print(_parameters_text(status))
    if counters:
        print(counters_text(status.counters))


def _parameters(status: FastPathStatus) -> dict[str, Any]:
    addresses = status.addresses
    return {
        "ingress": status.ingress,
        "egress": status.egress,
        "settings": status.settings,
        "table": vars(status.table),
        "addresses": {
            "interfaces": addresses.interfaces,
            "own": [str(address) for address in addresses.own],
            "excluded": [str(address) for address in addresses.excluded],
        },
    }


def _parameters_text(status: FastPathStatus) -> str:
    addresses = status.addresses
    return "\n".join(
        [
            f"ingress: {' '.join(status.ingress) or '-'}",
            f"egress: {' '.join(status.egress) or '-'}",
            *(f"{name}: {word(value)}" for name, value in status.settings.items()),
            f"flow table: {_table_text(status.table)}",
            f"address interfaces: {' '.join(addresses.interfaces) or 'all'}",
            f"own addresses: {' '.join(map(str, addresses.own)) or '-'}",
            f"excluded addresses: {' '.join(map(str, addresses.excluded)) or '-'}",
        ]
    )


def _table_text(table: TableStatus) -> str:
    flows = "1 flow" if table.flows == 1 else f"{table.flows} flows"
    return f"{flows}, made for {table.made_for}, {table.bytes / 2**20:.3g} MiB"


def print_addresses(addresses: list[IpAddress], *, as_json: bool) -> None:
    """One line per address."""
    if as_json:
        print_json([str(address) for address in addresses])
    else:
        print("".join(f"{address}\n" for address in addresses), end="")


def print_flows(flows: Iterator[Flow], *, as_json: bool) -> None:
    """A table, or a JSON array with one flow per line; printed as they come: there may be millions."""
    if sys.stdout is not None:
        sys.stdout.writelines(_flows_json(flows) if as_json else _flows_text(flows))
        flush()


def _flows_json(flows: Iterator[Flow]) -> Iterator[str]:
    before = "["
    for flow in flows:
        shown = flow._asdict() | {"age": round(flow.age, 3), "idle": round(flow.idle, 3)}
        yield f"{before}\n  {json.dumps(shown)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _flows_text(flows: Iterator[Flow]) -> Iterator[str]:
    lines = (_cells(flow) for flow in flows)
    first = [tuple(_COLUMNS), *itertools.islice(lines, _FIRST)]
    widths = [max(map(len, cells)) for cells in zip(*first, strict=True)]
    row = " ".join(f"{{:{side}{width}}}" for side, width in zip(_COLUMNS.values(), widths, strict=True))
    for cells in itertools.chain(first, lines):
        yield f"{row.format(*cells).rstrip()}\n"


def _cells(flow: Flow) -> tuple[str, ...]:
    return (
        flow.proto,
        _endpoint(flow.client, flow.client_port),
        _endpoint(flow.vip, flow.vip_port),
        flow.server,
        flow.interface,
        str(flow.vlan or "-"),
        str(flow.bypassed),
        str(flow.up),
        f"{flow.idle:.1f}",
        flow.state,
    )


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
