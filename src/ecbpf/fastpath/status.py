"""What a running fast path says about itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ecbpf.errors import UsageError
from ecbpf.fastpath.flows import Flow, count_flows, iterate_flows
from ecbpf.fastpath.programs import made_for
from ecbpf.fastpath.running import RunningFastPath, find_fastpath
from ecbpf.kernel.map import Map
from ecbpf.netdev.addresses import IpAddress
from ecbpf.subprogram.settings import Values

__all__ = [
    "AddressStatus",
    "FastPathStatus",
    "TableStatus",
    "fastpath_flows",
    "fastpath_status",
    "status_of",
    "table_status",
]

_MAC = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)


@dataclass(frozen=True)
class TableStatus:
    """The flow table. flows: in it now. made_for: how many it is made for. bytes: its size."""

    flows: int
    made_for: int
    bytes: int


@dataclass(frozen=True)
class AddressStatus:
    """Addresses that are left to the kernel.

    interfaces: whose addresses count as this host's own; empty: see netdev.own_addresses().
    """

    interfaces: list[str]
    own: list[IpAddress]
    excluded: list[IpAddress]


@dataclass(frozen=True)
class FastPathStatus:
    """A fast path. ingress, egress: the interfaces that its programs are on."""

    ingress: list[str]
    egress: list[str]
    settings: Values
    table: TableStatus
    addresses: AddressStatus
    counters: dict[str, int]


def status_of(running: RunningFastPath) -> FastPathStatus:
    """The status of a running fast path. Raises KernelError."""
    addresses = running.addresses
    return FastPathStatus(
        ingress=running.ingress,
        egress=running.egress,
        settings=running.settings,
        table=table_status(running.flow_table),
        addresses=AddressStatus(addresses.interfaces, addresses.own, addresses.excluded),
        counters=running.counters(),
    )


def fastpath_status() -> FastPathStatus:
    """The status of the fast path of this network namespace. Raises as running.find_fastpath()."""
    return status_of(find_fastpath())


def fastpath_flows(*, by_silence: bool = False, server: str = "") -> Iterator[Flow]:
    """The flows that it has learned, as flows.iterate_flows(). Raises as running.find_fastpath()."""
    if server and not _MAC.fullmatch(server):
        raise UsageError(repr(server), "not a valid MAC address", "give it as 02:00:00:00:00:01")
    return iterate_flows(find_fastpath().flow_table, by_silence=by_silence, server=server)


def table_status(table: Map) -> TableStatus:
    """The status of a flow table. Raises KernelError."""
    info = table.info
    return TableStatus(count_flows(table), made_for(info.max_entries), info.max_entries * info.value_size)
