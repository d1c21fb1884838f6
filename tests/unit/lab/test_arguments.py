"""The parts that need no namespace: arguments, topologies, and errors of failed commands."""

import argparse
import os

import pytest

from ecbpf.cli import lab as command_line
from ecbpf.errors import EcbpfError, MissingError, NotPermittedError, UsageError
from ecbpf.lab import CLIENT_SERVER, LABS, Topology, director, node_names
from ecbpf.lab.command import run
from ecbpf.lab.ipvs import Ipvs


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command_line.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("exec", "server"), id="no command"),
        pytest.param(("exec", "server", "--"), id="no command after --"),
        pytest.param(("exec", "server", "-n", "ls"), id="an unknown option"),
        pytest.param(("exec", "nobody", "ls"), id="no such node"),
        pytest.param(("exec", "server/router", "ls"), id="a node of another lab"),
        pytest.param(("up", "--vlan", "7"), id="a VLAN in the lab without one"),
        pytest.param(("up", "director", "--vlan", "1"), id="the VLAN of untagged frames"),
        pytest.param(("up", "director", "--vlan", "4095"), id="not a valid VLAN"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        command_line.run(parse(*arguments))


@pytest.mark.parametrize("arguments", [("ls", "-l", "--", "x"), ("--", "ls", "-l", "--", "x")])
def test_the_command_follows_the_node(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr("ecbpf.lab.execute", lambda *given: seen.extend(given))
    command_line.run(parse("exec", "server", *arguments))
    assert seen == ["server", ["ls", "-l", "--", "x"]]


VARIANTS = [CLIENT_SERVER, director(), director(7)]
TOPOLOGIES = pytest.mark.parametrize("topology", VARIANTS, ids=["server", "director", "director, VLAN 7"])


def test_a_lab_is_the_server_unless_another_is_named() -> None:
    for verb in ("up", "down", "status"):
        assert parse(verb).lab == "server"
        assert parse(verb, "director").lab == "director"
    assert list(LABS) == ["server", "director"]


@TOPOLOGIES
def test_every_node_has_an_interface_with_an_address_unless_it_is_a_switch(topology: Topology) -> None:
    for node in topology.nodes:
        interfaces = topology.interfaces_of(node)
        assert interfaces
        assert all(bool(interface.addresses) != node.is_switch for interface in interfaces)
    assert {interface.node for wire in topology.wires for interface in wire} == set(topology.nodes)


@TOPOLOGIES
def test_names_and_addresses_are_unique(topology: Topology) -> None:
    interfaces = [interface for wire in topology.wires for interface in wire]
    names = [(interface.namespace, interface.name) for interface in interfaces]
    addresses = [
        address
        for interface in interfaces
        for address in (*interface.addresses, *(each for vlan in interface.vlans for each in vlan.addresses))
        if not address.startswith("fe80:")
    ]
    assert len(set(names)) == len(names)
    assert len(set(addresses)) == len(addresses)


def test_both_labs_can_be_up_at_once() -> None:
    namespaces = [node.namespace for lab in LABS.values() for node in lab.nodes]
    assert len(set(namespaces)) == len(namespaces)


def test_a_node_has_a_short_name_and_one_with_its_lab() -> None:
    names = node_names()
    assert len(set(names)) == len(names)
    assert {"server", "client", "real1", "server/client", "director/client", "director/director"} < set(names)


@pytest.mark.parametrize("vlan", [None, 7])
def test_the_director_has_addresses_in_the_networks_of_its_servers(vlan: int | None) -> None:
    lab = director(vlan)
    (balancer,) = (node for node in lab.nodes if node.runs_ecbpf)
    (interface,) = lab.interfaces_of(balancer)
    assert [each.vlan_id for each in interface.vlans] == ([vlan] if vlan else [])
    near = interface.vlans[0].addresses if vlan else interface.addresses
    (ipvs,) = (duty for duty in balancer.duties if isinstance(duty, Ipvs))
    for service in ipvs.services:
        prefixes = [address.partition("/")[0].rstrip("0123456789") for address in near]
        assert all(server.strip("[").startswith(tuple(prefixes)) for server in service.servers)


@pytest.mark.parametrize(
    ("stderr", "error", "line"),
    [
        ("boom.", EcbpfError, "boom"),
        ("RTNETLINK answers: Operation not permitted", NotPermittedError, "Operation not permitted (EPERM)"),
        ("Error: Unknown device type.", MissingError, "Error: Unknown device type"),
    ],
)
def test_a_command_that_fails(stderr: str, error: type[EcbpfError], line: str) -> None:
    with pytest.raises(error) as raised:
        run("sh", "-c", f"echo; echo '{stderr}' >&2; exit 2")
    assert type(raised.value) is error
    assert raised.value.why == line


def test_a_batch_that_fails_names_its_line() -> None:
    with pytest.raises(EcbpfError) as raised:
        run("ip", "-batch", "-", script=["link show dev lo", "link show dev no-such-dev"])
    assert raised.value.what == "ip link show dev no-such-dev"


def test_a_tool_that_is_not_installed() -> None:
    with pytest.raises(MissingError, match="not-a-tool: not installed"):
        run("not-a-tool")


def test_a_tool_is_found_where_root_has_no_sbin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    run("ethtool", "--version")
    assert os.environ["PATH"] == "/usr/bin:/bin"
