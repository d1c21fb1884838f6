"""What the interfaces of this network namespace are made of: VLANs, bonds, and the port behind them."""

from typing import Any, NamedTuple

from ecbpf.errors import DataError, EcbpfError
from ecbpf.netdev.interfaces import index_of
from ecbpf.netdev.iproute import ask_ip

__all__ = ["NetLink", "link_of", "links", "port_of"]

_WITH_ETHERNET_ADDRESS = frozenset({"ether", "loopback"})
_ONE_PORT = frozenset({"bond", "team"})  # masters whose slaves are one port together


class NetLink(NamedTuple):
    """An interface.

    mac: six bytes; none if it is no Ethernet. master: the bond, team, bridge or VRF that it is in, "" for none;
    master_kind: which of these. kind: "vlan", "bond", "veth" and so on, "" for a NIC. vlan: the VLAN id of a VLAN
    device, 0 for any other. parent: what a VLAN device lies upon, "" if that is in another network namespace, and
    for any other device. rx_queues: how many receive queues it has, 0 if `ip` does not tell.
    """

    name: str
    ifindex: int
    mac: bytes
    master: str = ""
    master_kind: str = ""
    kind: str = ""
    vlan: int = 0
    parent: str = ""
    rx_queues: int = 0


def links() -> dict[str, NetLink]:
    """Every interface, by its name, in the kernel's order. Raises MissingError (no `ip`), EcbpfError."""
    records = ask_ip("-details", "link", "show")
    if records is None:
        raise EcbpfError("ip link", "failed", "see `ip -json -details link show`")
    return links_in(records)


def link_of(interface: str) -> NetLink:
    """One interface; a short alternative name will do. Raises DataError (no such interface), and as links()."""
    ifindex = index_of(interface)
    for link in links().values():
        if link.ifindex == ifindex:
            return link
    raise _gone(interface)


def links_in(records: list[dict[str, Any]]) -> dict[str, NetLink]:
    """links(), of what ``ip -json -details link show`` printed."""
    found = {record["ifname"]: _link_in(record) for record in records if "ifname" in record}
    for name, link in found.items():
        # Not every kind of master tells its slaves.
        if link.master and not link.master_kind and link.master in found:
            found[name] = link._replace(master_kind=found[link.master].kind)
    return found


def _link_in(record: dict[str, Any]) -> NetLink:
    made_of = record.get("linkinfo") or {}
    is_vlan = made_of.get("info_kind") == "vlan"
    has_mac = record.get("link_type") in _WITH_ETHERNET_ADDRESS
    return NetLink(
        name=record["ifname"],
        ifindex=record["ifindex"],
        mac=bytes.fromhex(record.get("address", "").replace(":", "")) if has_mac else b"",
        master=record.get("master") or "",
        master_kind=made_of.get("info_slave_kind") or "",
        kind=made_of.get("info_kind") or "",
        vlan=int(made_of["info_data"]["id"]) if is_vlan else 0,
        # "link_index" stands in its place if that index is one of another namespace.
        parent=(record.get("link") or "") if is_vlan else "",
        rx_queues=int(record.get("num_rx_queues") or 0),
    )


def port_of(interface: str, links: dict[str, NetLink]) -> tuple[int, int]:
    """By which port packets of an interface leave: its ifindex, and the VLAN id that they carry there, 0 for none.

    A VLAN device's is that of what it lies upon; that of a slave of a bond or a team is its master, since any
    slave may send. links: as links() gives them.

    Raises DataError: no such interface, a VLAN within a VLAN, or upon an interface of another network namespace.
    """
    link = _known(interface, links)
    vlan = link.vlan
    if link.kind == "vlan":
        if not link.parent:
            raise DataError(
                interface, "what this VLAN lies upon is in another network namespace", "use an interface there"
            )
        link = _known(link.parent, links)
        if link.kind == "vlan":
            raise DataError(interface, f"QinQ: {link.name}, which it lies upon, is a VLAN too", "use one tag")
    if link.master_kind in _ONE_PORT:
        link = _known(link.master, links)
    return link.ifindex, vlan


def _known(interface: str, links: dict[str, NetLink]) -> NetLink:
    if interface not in links:
        raise _gone(interface)
    return links[interface]


def _gone(interface: str) -> DataError:
    return DataError(interface, "no such interface in this network namespace", "see `ip link`")
