"""What needs no namespace: arguments, the data, and the words of a command that fails."""

import argparse
import os

import pytest

from ecbpf.cli import lab as command_line
from ecbpf.errors import EcbpfError, MissingError, NotPermittedError, UsageError
from ecbpf.lab.command import run
from ecbpf.lab.topology import CLIENT_SERVER


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command_line.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("exec", "server"), id="no command"),
        pytest.param(("exec", "server", "--"), id="no command after --"),
        pytest.param(("exec", "server", "-n", "ls"), id="an option that is none"),
        pytest.param(("exec", "router", "ls"), id="no such node"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        command_line.run(parse(*arguments))


@pytest.mark.parametrize("arguments", [("ls", "-l", "--", "x"), ("--", "ls", "-l", "--", "x")])
def test_the_command_is_what_stands_after_the_node(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr("ecbpf.lab.execute", lambda *given: seen.extend(given))
    command_line.run(parse("exec", "server", *arguments))
    assert seen == ["server", ["ls", "-l", "--", "x"]]


def test_every_port_is_of_a_node_of_the_topology() -> None:
    ports = [port for node in CLIENT_SERVER.nodes for port in CLIENT_SERVER.ports(node)]
    assert sorted(port.node for port in ports) == ["client", "server"]


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
