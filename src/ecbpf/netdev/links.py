"""What the interfaces of this network namespace are made of: VLANs, bonds, and by which of them packets leave."""

from typing import Any, NamedTuple

from ecbpf.errors import DataError, EcbpfError
from ecbpf.netdev.interfaces import index_of
from ecbpf.netdev.iproute import ask_ip

__all__ = ["Egress", "NetLink", "egress_of", "link_of", "links"]

_WITH_ETHERNET_ADDRESS = frozenset({"ether", "loopback"})
_BONDS = frozenset({"bond", "team"})  # masters that send by any of their slaves


class NetLink(NamedTuple):
    """An interface.

    mac: six bytes; empty if it is not Ethernet. master: the bond, team, bridge or VRF that it is in, "" for none;
    master_kind: which of these. kind: "vlan", "bond", "veth" and so on, "" for a NIC. vlan: the VLAN ID of a VLAN
    device, 0 for any other. parent: the interface below a VLAN device, "" if that is in another network
    namespace, and for any other device. rx_queues: how many receive queues it has, 0 if `ip` does not say.
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
        # Not every kind of master is named in its slaves' records.
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
        # "link_index" is there instead if the interface below is in another namespace.
        parent=(record.get("link") or "") if is_vlan else "",
        rx_queues=int(record.get("num_rx_queues") or 0),
    )


class Egress(NamedTuple):
    """How packets leave the host: the ifindex of the egress interface, and their VLAN ID there, 0 for untagged."""

    ifindex: int
    vlan: int


def egress_of(interface: str, links: dict[str, NetLink]) -> Egress:
    """How packets that are sent by an interface leave the host.

    Those of a VLAN device leave by the interface below it; those of a slave of a bond or team by its master, since
    any slave may send them. links: as links() gives them.

    Raises DataError: no such interface, a VLAN within a VLAN, or one above an interface of another namespace.
    """
    link = _known(interface, links)
    vlan = link.vlan
    if link.kind == "vlan":
        if not link.parent:
            raise DataError(
                interface,
                "the interface below this VLAN is in another network namespace",
                "use an interface there",
            )
        link = _known(link.parent, links)
        if link.kind == "vlan":
            raise DataError(
                interface, f"QinQ: {link.name}, the interface below it, is a VLAN too", "use one VLAN tag"
            )
    if link.master_kind in _BONDS:
        link = _known(link.master, links)
    return Egress(link.ifindex, vlan)


def _known(interface: str, links: dict[str, NetLink]) -> NetLink:
    if interface not in links:
        raise _gone(interface)
    return links[interface]


def _gone(interface: str) -> DataError:
    return DataError(interface, "no such interface in this network namespace", "see `ip link`")
