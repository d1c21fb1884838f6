"""What a running fast path says about itself."""

from __future__ import annotations

from dataclasses import dataclass

from ecbpf.fastpath.flows import count_flows
from ecbpf.fastpath.programs import made_for
from ecbpf.fastpath.running import RunningFastPath
from ecbpf.kernel.map import Map
from ecbpf.netdev.addresses import IpAddress
from ecbpf.subprogram.settings import Values

__all__ = ["AddressStatus", "FastPathStatus", "TableStatus", "status_of", "table_status"]


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


def table_status(table: Map) -> TableStatus:
    """The status of a flow table. Raises KernelError."""
    info = table.info
    return TableStatus(count_flows(table), made_for(info.max_entries), info.max_entries * info.value_size)
