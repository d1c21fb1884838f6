"""This host's addresses, gateways and ssh peers in a namespace, and what the filter does with them."""

import contextlib
import errno
import ipaddress
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ecbpf.chain.contents import program_in
from ecbpf.chain.occupant import find_root, maps_of
from ecbpf.chain.pins import locked
from ecbpf.cli.output import notice
from ecbpf.filter.local import update_local
from ecbpf.kernel.map import Map
from ecbpf.kernel.uapi import MAP_HASH
from ecbpf.netdev.addresses import AddressEvents, gateways, own_addresses, ssh_peers
from tests.support.pair import Pair
from tests.support.shell import sh
from tests.support.typed import command, done, run, typed

_MAPPED = bytes(10) + b"\xff\xff"


@pytest.fixture
def bare(inside: None, pair: Pair) -> str:
    """One of two interfaces, without addresses or programs, and with IPv6 on."""
    sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.all.accept_dad=0; ip link set lo up")
    for name in (pair.near, pair.far):
        sh(f"sysctl -qw net.ipv6.conf.{name}.disable_ipv6=0 net.ipv6.conf.{name}.accept_dad=0")
        sh(f"ip address flush dev {name}")
    return pair.near


@pytest.fixture
def near(bare: str, roots: Pair) -> str:
    """The same, with root arrays."""
    return bare


def _add(interface: str, *addresses: str) -> None:
    for address in addresses:
        sh(f"ip address add {address} dev {interface}")


def _own() -> set[str]:
    return {str(address) for address in own_addresses()}


@pytest.mark.parametrize(
    ("addresses", "own"),
    [
        (["10.9.0.1/24"], {"10.9.0.1"}),
        (["10.9.0.1/24", "192.0.2.10/32"], {"10.9.0.1"}),  # beside a network: a VIP
        (["192.0.2.10/32", "10.9.0.1/31"], {"10.9.0.1"}),
        (["192.0.2.10/32", "192.0.2.11/32"], {"192.0.2.10", "192.0.2.11"}),  # alone: all it has
        (["10.9.0.1/24", "10.9.0.2/24", "10.8.0.1/16"], {"10.9.0.1", "10.9.0.2", "10.8.0.1"}),
        (["10.9.0.1/24", "192.0.2.10/32 label near0:vip"], {"10.9.0.1"}),  # a label is not an interface
        (["192.0.2.10/32", "10.9.0.1/24 label near0:1"], {"10.9.0.1"}),
        (["10.9.0.1/24 label near0:1"], {"10.9.0.1"}),
        (["2001:db8::1/64", "2001:db8::10/128"], {"2001:db8::1"}),
        (["2001:db8::10/128"], {"2001:db8::10"}),
        (["2001:db8::1/127", "fd00::1/64"], {"2001:db8::1", "fd00::1"}),
        (["10.9.0.1/24", "2001:db8::10/128"], {"10.9.0.1", "2001:db8::10"}),  # each family by itself
        (["10.9.0.1 peer 10.9.0.2"], {"10.9.0.1"}),
        ([], set()),
    ],
)
def test_the_addresses_of_an_interface(bare: str, addresses: list[str], own: set[str]) -> None:
    _add(bare, *addresses)
    assert _own() == own


def test_a_link_local_address_counts(bare: str) -> None:
    _add(bare, "fe80::1/64", "2001:db8::1/64")
    assert _own() == {"fe80::1", "2001:db8::1"}


def test_each_interface_counts_by_itself(bare: str, pair: Pair) -> None:
    _add(bare, "10.9.0.1/24", "192.0.2.10/32")
    _add(pair.far, "192.0.2.10/32")
    assert _own() == {"10.9.0.1", "192.0.2.10"}, "the far interface has no other address"


def test_no_address_of_the_loopback_is_own(bare: str) -> None:
    _add(bare, "10.9.0.1/24")
    _add("lo", "192.0.2.10/32", "192.0.2.11/32 label lo:vip", "203.0.113.1/24", "2001:db8::10/128")
    assert _own() == {"10.9.0.1"}


def test_no_address_of_an_interface_without_neighbours_is_own(bare: str, pair: Pair) -> None:
    sh(f"ip link set {pair.far} arp off")  # like a dummy interface, or tunl0 of a real server
    _add(pair.far, "192.0.2.10/24")
    assert _own() == set()


def test_address_events_report_changes(bare: str) -> None:
    with contextlib.closing(AddressEvents()) as events:
        assert not events.changed()
        _add(bare, "10.9.0.1/24")
        assert events.changed()
        assert not events.changed()
        _add(bare, "2001:db8::1/64")
        sh(f"ip address del 10.9.0.1/24 dev {bare}")
        assert events.changed()
        batch = [f"address {verb} 10.8.{n}.1/32 dev {bare}" for n in range(250) for verb in ("add", "del")]
        subprocess.run(["ip", "-batch", "-"], input="\n".join(batch), text=True, check=True)  # overflows
        assert events.changed()
        assert not events.changed()


def _local(interface: str) -> set[str]:
    """The addresses that the filter has as this host's."""
    program = program_in(find_root(interface), 2)
    assert program is not None
    keys = {bytes(key) for key in maps_of(program)["filter_local"]}
    return {str(ipaddress.ip_address(key[12:] if key.startswith(_MAPPED) else key)) for key in keys}


def _eventually(interface: str, expected: set[str]) -> None:
    deadline = time.monotonic() + 20
    while _local(interface) != expected:
        assert time.monotonic() < deadline, (_local(interface), expected)
        time.sleep(0.05)


def test_attach_stores_the_own_addresses(near: str) -> None:
    _add(near, "10.9.0.1/24", "192.0.2.10/32", "2001:db8::1/64")
    done(f"ecbpf filter attach -i {near}")
    assert _local(near) == {"10.9.0.1", "2001:db8::1"}
    _add(near, "10.9.0.2/24")
    sh(f"ip address del 2001:db8::1/64 dev {near}")
    assert _local(near) == {"10.9.0.1", "2001:db8::1"}, "no service runs"
    done(f"ecbpf filter attach -i {near}")
    assert _local(near) == {"10.9.0.1", "10.9.0.2"}


@pytest.mark.parametrize("verb", ["serve", "watch", "statsd"])
def test_a_service_keeps_the_own_addresses_current(near: str, pair: Pair, verb: str) -> None:
    done(f"ecbpf filter attach -i {near},{pair.far}")
    _add(near, "10.9.0.1/24")
    with subprocess.Popen(
        command(f"ecbpf filter {verb} -i {near},{pair.far}"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            _eventually(near, {"10.9.0.1"})  # at its start
            _add(pair.far, "2001:db8::1/64", "192.0.2.10/32")
            for interface in (near, pair.far):
                _eventually(interface, {"10.9.0.1", "2001:db8::1", "192.0.2.10"})
            sh(f"ip address del 10.9.0.1/24 dev {near}")
            _add(pair.far, "10.7.0.1/24")  # which makes the single address a VIP
            for interface in (near, pair.far):
                _eventually(interface, {"2001:db8::1", "10.7.0.1"})
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_two_updates_at_once(near: str) -> None:
    """One waits for the other, or it could delete what the other has just added."""
    done(f"ecbpf filter attach -i {near}")
    with subprocess.Popen(command(f"ecbpf filter serve -i {near}")) as process:
        try:
            _add(near, "10.9.0.1/24")
            _eventually(near, {"10.9.0.1"})
            with locked():
                _add(near, "10.9.0.2/24")
                time.sleep(1.5)  # longer than it takes to notice
                assert _local(near) == {"10.9.0.1"}
            _eventually(near, {"10.9.0.1", "10.9.0.2"})
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notices go where the commands print them."""
    monkeypatch.setattr("ecbpf.notices._listener", notice)


def _texts(local: Map) -> list[str]:
    return sorted(str(ipaddress.ip_address(bytes(key)[12:])) for key in local)


def test_no_room_for_old_and_new_addresses_at_once(
    bare: str, printed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with Map.create(MAP_HASH, 16, 1, 3) as local:
        for old, new in (([], [1, 2]), ([1], [3, 4]), ([2, 3, 4], [5, 6, 7]), ([6], [])):
            _add(bare, *(f"10.9.{number}.1/24" for number in new))
            for number in old:
                sh(f"ip address del 10.9.{number}.1/24 dev {bare}")
            update_local(local)
            assert _texts(local) == sorted(_own())
    assert capsys.readouterr().err == ""


def test_more_addresses_than_the_filter_holds(
    bare: str, printed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    _add(bare, *(f"10.9.0.{number}/24" for number in range(1, 6)))
    with Map.create(MAP_HASH, 16, 1, 3) as local:
        for _ in range(2):
            update_local(local)
            assert _texts(local) == ["10.9.0.1", "10.9.0.2", "10.9.0.3"]
            assert capsys.readouterr().err == (
                "ecbpf: warning: 3 of this host's 5 addresses fit into the filter: "
                "it treats fragments to the others like fragments to any other host\n"
            )


def test_gateways(bare: str, pair: Pair) -> None:
    assert gateways() == []
    _add(bare, "10.9.0.1/24", "2001:db8::1/64")
    sh("ip route add 10.20.0.0/16 via 10.9.0.253; ip route add unreachable default metric 9999")
    sh(f"ip -6 route add default dev {pair.far} metric 5; ip -6 route add unreachable default metric 9999")
    assert gateways() == []
    sh("ip route add default via 10.9.0.254; ip route add default via 10.9.0.253 metric 7")
    sh(f"ip -6 route add default via fe80::254 dev {bare} metric 10")
    sh("ip -6 route add default metric 11 nexthop via 2001:db8::fd nexthop via 2001:db8::fe")
    assert [str(address) for address in gateways()] == [
        *("10.9.0.254", "10.9.0.253"),
        *("fe80::254", "2001:db8::fd", "2001:db8::fe"),
    ]


@contextlib.contextmanager
def _connection(target: str, source: str, listen: str, port: int = 22) -> Iterator[None]:
    """TCP from one address of the namespace to a port of another, both ends here."""
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((listen, port))
        listening.listen()
        with socket.create_connection((target, port), source_address=(source, 0)), listening.accept()[0]:
            yield


def test_ssh_peers(bare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    _add(bare, "10.9.0.1/24", "10.9.0.7/24", "2001:db8::1/64", "2001:db8::7/64")

    def peers() -> list[str]:
        return [str(address) for address in ssh_peers()]

    assert peers() == []
    with _connection("10.9.0.1", "10.9.0.7", "0.0.0.0"):
        assert peers() == ["10.9.0.7"]
        monkeypatch.setenv("SSH_CONNECTION", "10.9.0.7 50000 10.9.0.1 22")
        assert peers() == ["10.9.0.7"], "each once"
        monkeypatch.setenv("SSH_CONNECTION", "192.0.2.77 50000 10.9.0.1 2222")
        assert peers() == ["192.0.2.77", "10.9.0.7"]
    monkeypatch.delenv("SSH_CONNECTION")
    with _connection("2001:db8::1", "2001:db8::7", "::"):
        assert peers() == ["2001:db8::7"]
    with _connection("10.9.0.1", "10.9.0.7", "::"):
        assert peers() == ["10.9.0.7"], "not as ::ffff:10.9.0.7"
    with _connection("10.9.0.1", "10.9.0.7", "0.0.0.0", 2222):
        assert peers() == []
    for text, found in (
        ("UNKNOWN 65535 UNKNOWN 65535", []),  # sshd -i behind a pipe
        ("", []),
        ("fe80::7%near0 50000 fe80::1 22", ["fe80::7"]),
        ("::ffff:10.9.0.7 1 ::ffff:10.9.0.1 22", ["10.9.0.7"]),
    ):
        monkeypatch.setenv("SSH_CONNECTION", text)
        assert peers() == found


def test_no_warning_about_peers_without_a_session(bare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of SYNs to port 22 is not an ssh session, nor is a connection that has ended."""
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    _add(bare, "10.9.0.1/24", "10.9.0.7/24")
    with _connection("10.9.0.1", "10.9.0.7", "0.0.0.0"):
        pass
    assert "TIME-WAIT" in sh("ss -tan")
    assert ssh_peers() == []


def _warning(interface: str, address: str, who: str) -> str:
    hint = f"ecbpf filter allow -i {interface} {address} lets it through"
    return f"ecbpf: warning: {interface}: drops {address}, {who}; {hint}\n"


def test_a_warning_names_each_lockout_once(near: str, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "2001:db8::7 50000 2001:db8::1 22")
    done(f"ecbpf filter attach -i {near},{pair.far}")
    _add(near, "10.9.0.1/24")
    sh("ip route add default via 10.9.0.254")
    gateway = _warning(near, "10.9.0.254", "this host's default gateway")
    session = _warning(near, "2001:db8::7", "where an ssh session comes from")
    done(f"ecbpf filter drop -i {near} 10.9.0.0/25 2001:db8::8")
    for line in (
        f"ecbpf filter drop -i {near} 10.9.0.0/24 2001:db8::/32 --dry-run",
        f"xdp_filter --drop --interface {near} --ips 10.9.0.0/24,2001:db8::/32",
    ):
        status, out, err = typed(line)
        assert (status, err) == (0, gateway + session)
        assert out.endswith("2 added; 4 in the drop set\n")
    for prefix in ("10.9.0.254", "0.0.0.0/0", "10.9.0.0/24"):
        done(f"ecbpf filter drop -i {near} {prefix}")  # no warning: they are dropped already
    both = typed(f"ecbpf filter drop -i {near},{pair.far} 10.0.0.0/8")
    assert (both.status, both.err) == (0, _warning(pair.far, "10.9.0.254", "this host's default gateway"))
    done(f"ecbpf filter allow -i {near} 10.9.0.254")
    done(f"ecbpf filter drop -i {near} 10.0.0.0/8")
    assert typed(f"ecbpf filter unallow -i {near} 10.9.0.254")[::2] == (0, gateway)
    done(f"ecbpf filter flush -i {near}")
    loaded = run(f"ecbpf filter load -i {near} --replace -", "::/0\n10.9.0.254 gateway\n")
    assert (loaded.status, loaded.err) == (0, gateway + session)


@pytest.fixture
def ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script that stands in for `ip`."""
    script = tmp_path / "ip"
    script.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return script


def test_gateways_are_looked_up_once_and_only_where_somebody_could_be_locked_out(
    near: str, pair: Pair, ip: Path
) -> None:
    calls = ip.with_name("calls")
    ip.write_text(f"#!/bin/sh\necho >>{calls}\nexit 1\n")
    both = f"{near},{pair.far}"
    done(f"ecbpf filter attach -i {both}")
    for verb, looks in (
        ("drop -i {} 10.0.0.0/8 2001:db8::/32 --dry-run", True),
        ("drop -i {} 10.0.0.0/8 2001:db8::/32", True),
        ("drop -i {} 10.0.0.0/8 --tag again", False),
        ("allow -i {} 192.0.2.0/24", False),
        ("undrop -i {} 2001:db8::/32", False),
        ("flush -i {}", False),
        ("clear -i {}", False),
        ("unallow -i {} 192.0.2.0/24", True),
        ("load -i {} /dev/null --replace", False),
    ):
        done(f"ecbpf filter {verb.format(both)}")
        assert calls.exists() == looks, verb
        if looks:
            assert calls.read_text() == "\n\n", "one call per family"
            calls.unlink()


def _unknown(interface: str, who: str, why: str) -> str:
    return f"ecbpf: warning: {interface}: cannot check whether it drops {who}: {why}\n"


def test_a_command_goes_on_when_a_check_fails(
    near: str, pair: Pair, ip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = f"{near},{pair.far}"
    done(f"ecbpf filter attach -i {both}")
    gateway, session = "this host's default gateway", "where an ssh session comes from"
    ip.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr("ecbpf.netdev.iproute._IP_SECONDS", 0.1)
    slow = "ip -json -4 route show table all default: no answer in 0.1 s"
    assert typed(f"ecbpf filter drop -i {both} 10.0.0.1") == (
        *(0, f"{near}: 1 added; 1 in the drop set\n{pair.far}: 1 added; 1 in the drop set\n"),
        _unknown(near, gateway, slow) + _unknown(pair.far, gateway, slow),
    )
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.2 50000 10.9.0.1 22")
    absent = _unknown(near, gateway, "ip: not found; apt-get install iproute2")
    status, _, err = typed(f"ecbpf filter drop -i {near} 10.0.0.2")
    assert (status, err) == (0, absent + _warning(near, "10.0.0.2", session))
    for error, why in (
        (psutil.AccessDenied(), "AccessDenied"),
        (OSError(errno.EMFILE, "Too many open files"), "[Errno 24] Too many open files"),
    ):

        def refuse(kind: str, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(psutil, "net_connections", refuse)
        status, _, err = typed(f"ecbpf filter drop -i {near} 10.0.{len(why)}.3")
        assert (status, err) == (0, absent + _unknown(near, session, why))
