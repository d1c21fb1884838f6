"""Interfaces as `ip -json -details link show` of iproute2 6.1 prints them: VLANs, bonds, bridges."""

import json
from typing import Any

import pytest

from ecbpf.errors import DataError
from ecbpf.netdev.links import NetLink, egress_of, links_in

# Reduced to some of the fields.
RECORDS: list[dict[str, Any]] = json.loads("""[
{"ifindex":1,"ifname":"lo","link_type":"loopback","address":"00:00:00:00:00:00","num_rx_queues":1},
{"ifindex":2,"ifname":"eth0","flags":["BROADCAST","UP"],"mtu":1500,"master":"bond0","link_type":"ether",
 "address":"02:00:00:00:00:02","linkinfo":{"info_slave_kind":"bond","info_slave_data":{"state":"ACTIVE",
 "mii_status":"UP","link_failure_count":0,"perm_hwaddr":"02:00:00:00:00:12","queue_id":0}},
 "num_tx_queues":8,"num_rx_queues":8,"parentbus":"pci","parentdev":"0000:01:00.0"},
{"ifindex":3,"ifname":"eth1","link_type":"ether","address":"02:00:00:00:00:03","num_rx_queues":63},
{"ifindex":4,"ifname":"bond0","link_type":"ether","address":"02:00:00:00:00:02",
 "linkinfo":{"info_kind":"bond","info_data":{"mode":"802.3ad","miimon":100,"xmit_hash_policy":"layer3+4"}},
 "num_rx_queues":16},
{"ifindex":5,"link":"bond0","ifname":"bond0.100","link_type":"ether","address":"02:00:00:00:00:02",
 "linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":100,"flags":["REORDER_HDR"]}},
 "num_rx_queues":1},
{"ifindex":6,"link":"eth1","ifname":"storage","link_type":"ether","address":"02:00:00:00:00:03",
 "linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":4094,"flags":["REORDER_HDR"]}}},
{"ifindex":7,"link":"storage","ifname":"storage.7","link_type":"ether","address":"02:00:00:00:00:03",
 "linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":7,"flags":["REORDER_HDR"]}}},
{"ifindex":8,"link_index":2,"ifname":"eth0.9","link_type":"ether","address":"02:00:00:00:00:08","link_netnsid":0,
 "linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":9,"flags":["REORDER_HDR"]}}},
{"ifindex":9,"link":"eth0","ifname":"eth0.11","link_type":"ether","address":"02:00:00:00:00:02",
 "linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1ad","id":11,"flags":["REORDER_HDR"]}}},
{"ifindex":10,"ifname":"br0","link_type":"ether","address":"02:00:00:00:00:0a",
 "linkinfo":{"info_kind":"bridge","info_data":{"forward_delay":1500}}},
{"ifindex":12,"link":"veth1","ifname":"veth0","master":"br0","link_type":"ether","address":"02:00:00:00:00:0c",
 "linkinfo":{"info_kind":"veth","info_slave_kind":"bridge","info_slave_data":{"state":"forwarding"}}},
{"ifindex":13,"ifname":"team0","link_type":"ether","address":"02:00:00:00:00:0d","linkinfo":{"info_kind":"team"}},
{"ifindex":14,"ifname":"eth2","master":"team0","link_type":"ether","address":"02:00:00:00:00:0d"},
{"ifindex":15,"link":null,"ifname":"tunl0","link_type":"ipip","address":"0.0.0.0","broadcast":"0.0.0.0",
 "linkinfo":{"info_kind":"ipip","info_data":{"proto":"ipip","remote":"any","local":"any"}}},
{"ifindex":16,"ifname":"wg0","link_type":"none","linkinfo":{"info_kind":"wireguard"}},
{}]""")

LINKS = links_in(RECORDS)


def _mac(last: int) -> bytes:
    return bytes((2, 0, 0, 0, 0, last))


@pytest.mark.parametrize(
    "link",
    [
        NetLink("lo", 1, bytes(6), rx_queues=1),
        NetLink("eth0", 2, _mac(2), master="bond0", master_kind="bond", rx_queues=8),
        NetLink("eth1", 3, _mac(3), rx_queues=63),
        NetLink("bond0", 4, _mac(2), kind="bond", rx_queues=16),
        NetLink("bond0.100", 5, _mac(2), kind="vlan", vlan=100, parent="bond0", rx_queues=1),
        NetLink("storage", 6, _mac(3), kind="vlan", vlan=4094, parent="eth1"),
        NetLink("eth0.9", 8, _mac(8), kind="vlan", vlan=9),
        NetLink("br0", 10, _mac(10), kind="bridge"),
        NetLink("veth0", 12, _mac(12), master="br0", master_kind="bridge", kind="veth"),
        NetLink("eth2", 14, _mac(13), master="team0", master_kind="team"),
        NetLink("tunl0", 15, b"", kind="ipip"),
        NetLink("wg0", 16, b"", kind="wireguard"),
    ],
    ids=lambda link: link.name,
)
def test_links_are_read(link: NetLink) -> None:
    assert LINKS[link.name] == link


def test_all_links_are_there_in_the_order_of_the_kernel() -> None:
    assert [link.ifindex for link in LINKS.values()] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16]


@pytest.mark.parametrize(
    ("interface", "egress"),
    [
        ("eth1", (3, 0)),
        ("eth0", (4, 0)),  # in a bond: any slave may send
        ("bond0", (4, 0)),
        ("bond0.100", (4, 100)),
        ("storage", (3, 4094)),
        ("eth0.11", (4, 11)),
        ("veth0", (12, 0)),  # in a bridge: its own egress interface
        ("br0", (10, 0)),
        ("eth2", (13, 0)),
        ("tunl0", (15, 0)),
    ],
)
def test_egress_interface_and_vlan(interface: str, egress: tuple[int, int]) -> None:
    assert egress_of(interface, LINKS) == egress


@pytest.mark.parametrize(
    ("interface", "why"),
    [
        ("storage.7", "storage.7: QinQ: storage, the interface below it, is a VLAN too"),
        ("eth0.9", "eth0.9: the interface below this VLAN is in another network namespace"),
        ("eth9", "eth9: no such interface in this network namespace"),
    ],
)
def test_no_egress_interface(interface: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        egress_of(interface, LINKS)
