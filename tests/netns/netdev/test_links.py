"""Interfaces of a real namespace, and their addresses."""

import os
from pathlib import Path

import pytest

from ecbpf.errors import DataError, EcbpfError, MissingError
from ecbpf.lab.namespace import inside_namespace
from ecbpf.netdev.addresses import addresses_of
from ecbpf.netdev.interfaces import index_of, names
from ecbpf.netdev.links import egress_of, link_of, links
from tests.support.pair import Pair
from tests.support.shell import sh


def test_a_veth_in_a_bridge(pair: Pair, near: str) -> None:
    sh(f"ip link set {near} address 02:00:00:00:00:77")
    sh("ip link add veth7 numrxqueues 3 type veth peer name veth8; ip link add br0 type bridge")
    link = link_of(near)
    assert link == links()[near]
    assert (link.name, link.ifindex, link.mac) == (near, index_of(near), bytes.fromhex("020000000077"))
    assert (link.kind, link.master, link.vlan, link.parent) == ("veth", "", 0, "")
    assert link_of("veth7").rx_queues == 3
    assert link_of("lo").kind == ""
    sh(f"ip link set {near} master br0")
    every = links()
    assert list(every) == names()
    assert (every[near].master, every[near].master_kind) == ("br0", "bridge")
    assert egress_of(near, every) == (index_of(near), 0)
    assert egress_of("br0", every) == (index_of("br0"), 0)


def test_only_this_namespaces_interfaces(pair: Pair, near: str) -> None:
    other = f"{pair.namespace}-b"
    sh(f"ip netns add {other}; ip link set {pair.far} netns {other}")
    try:
        assert (link_of(near).kind, link_of(near).parent) == ("veth", "")
        with pytest.raises(DataError, match=f"{pair.far}: no such interface in this network namespace"):
            link_of(pair.far)
        with inside_namespace(other):
            assert list(links()) == ["lo", pair.far]
    finally:
        sh(f"ip netns del {other}")


def test_an_alternative_name_is_accepted(near: str) -> None:
    sh(f"ip link property add dev {near} altname uplink-a")
    sh(f"ip address add 10.9.0.1/24 dev {near}")
    assert link_of("uplink-a").name == near
    assert {str(each) for each in addresses_of(["uplink-a"])} == {"10.9.0.1"}


def test_without_ip(near: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ip = tmp_path / "ip"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match="ip: not found; apt-get install iproute2"):
        links()
    ip.write_text("#!/bin/sh\nexit 1\n")
    ip.chmod(0o700)
    with pytest.raises(EcbpfError, match="ip link: failed"):
        links()
    ip.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    monkeypatch.setattr("ecbpf.netdev.iproute._IP_SECONDS", 0.1)
    with pytest.raises(EcbpfError, match=r"ip -json -details link show: no answer in 0.1 s"):
        links()
    assert os.listdir(tmp_path) == ["ip"]


def test_the_addresses_of_just_these_interfaces(pair: Pair, near: str) -> None:
    sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.all.accept_dad=0; ip link set lo up")
    sh(f"sysctl -qw net.ipv6.conf.{near}.disable_ipv6=0 net.ipv6.conf.{near}.accept_dad=0")
    sh(f"ip address flush dev {near}; ip address flush dev {pair.far}")
    for interface, address in (
        (near, "10.9.0.1/24"),
        (near, "192.0.2.10/32"),  # a VIP is one as well
        (near, "192.0.2.11/32 label near0:vip"),
        (near, "10.8.0.1 peer 10.8.0.2"),
        (near, "2001:db8::10/128"),
        (near, "fe80::1/64"),
        (pair.far, "10.7.0.1/24"),
        ("lo", "192.0.2.12/32"),
    ):
        sh(f"ip address add {address} dev {interface}")

    def of(*interfaces: str) -> set[str]:
        return {str(address) for address in addresses_of(list(interfaces))}

    ours = {"10.9.0.1", "192.0.2.10", "192.0.2.11", "10.8.0.1", "2001:db8::10", "fe80::1"}
    assert of(near) == ours
    assert of(pair.far) == {"10.7.0.1"}
    assert of(near, pair.far) == ours | {"10.7.0.1"}
    assert of("lo") == {"127.0.0.1", "::1", "192.0.2.12"}
    assert of() == set()
    with pytest.raises(DataError, match="no such interface"):
        of(near, "nowhere0")
