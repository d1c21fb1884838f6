"""The lab for real: namespaces, frames, and an `up` and a `down` killed at every step.

A machine has one lab. These tests take it down before and after, even if a user had it up.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path

import pytest

from ecbpf import lab
from ecbpf.chain.attach import attach
from ecbpf.chain.pins import folder_of
from tests.support.objects import Build
from tests.support.shell import sh

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")

ECBPF = [sys.executable, "-c", "import sys; from ecbpf.cli.main import main; sys.exit(main())"]
SERVER = {socket.AF_INET: "192.168.56.10", socket.AF_INET6: "fd00:56::10"}
PACKET_OUTGOING = 4  # <linux/if_packet.h>
ETH_P_ALL = 3
FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])


@pytest.fixture(autouse=True, scope="module")
def _no_lab_before_and_after() -> Iterator[None]:
    lab.down()
    yield
    lab.down()


@pytest.fixture
def running() -> None:
    lab.up()


def ecbpf(*arguments: str, stdin: str = "", path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PATH": path} if path else {})
    command = [*ECBPF, "lab", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, input=stdin, env=environment)


def ping_server(family: socket.AddressFamily) -> None:
    """One echo request from the client, and its reply, without a second try."""
    v6 = family == socket.AF_INET6
    protocol = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    with lab.inside("client"), socket.socket(family, socket.SOCK_RAW, protocol) as raw:
        raw.settimeout(2)
        payload = b"\x12\x34\x00\x01hello"
        head = struct.pack("!BBH", 128 if v6 else 8, 0, 0)
        check = 0xFFFF - ones_complement_sum(head + payload)
        raw.sendto(struct.pack("!BBH", head[0], 0, check) + payload, (SERVER[family], 0))
        reply = b"\x81\x00" if v6 else b"\x00\x00"
        while raw.recv(2048)[-len(payload) - 4 :][:2] != reply:
            pass


def ones_complement_sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def nothing_is_left() -> bool:
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return (
        "ecbpf-" not in sh("ip netns list")
        and " eth0" not in sh("ip link show type veth")
        and not any(b"ecbpf-server" in command for command in commands)
    )


@FAMILIES
def test_the_first_ping_after_up_is_answered(family: socket.AddressFamily) -> None:
    lab.down()
    assert lab.up().state == "up"
    ping_server(family)


def test_up_does_not_wait_for_the_carrier() -> None:
    lab.down()
    start = time.monotonic()
    lab.up()
    assert time.monotonic() - start < 0.9


@pytest.mark.usefixtures("running")
def test_exactly_these_addresses() -> None:
    for node, host in (("server", 10), ("client", 20)):
        links = json.loads(sh(f"ip -n ecbpf-{node} -json address show"))
        addresses = {
            link["ifname"]: [f"{entry['local']}/{entry['prefixlen']}" for entry in link["addr_info"]]
            for link in links
        }
        assert addresses == {
            "lo": ["127.0.0.1/8", "::1/128"],
            "eth0": [f"192.168.56.{host}/24", f"fd00:56::{host}/64"],
        }


@pytest.mark.usefixtures("running")
def test_up_twice_changes_nothing() -> None:
    before = sh("ip -n ecbpf-server -details link show")
    assert ecbpf("up").returncode == 0
    assert sh("ip -n ecbpf-server -details link show") == before


@pytest.mark.usefixtures("running")
def test_down_twice() -> None:
    assert [ecbpf("down").returncode for _ in range(2)] == [0, 0]
    assert nothing_is_left()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("ip -n ecbpf-server address del 192.168.56.10/24 dev eth0", "192.168.56.10/24 is missing"),
        ("ip -n ecbpf-server link set eth0 down", "server eth0: down"),
        ("ip -n ecbpf-client link set lo down", "client: lo is down"),
        ("ip -n ecbpf-client link set eth0 xdp off", "client eth0: no XDP program"),
        ("ip -n ecbpf-client link delete eth0", "client eth0: no such interface"),
        (
            "ip -n ecbpf-client link delete eth0; ip -n ecbpf-client link add eth0 type veth peer name x",
            "client eth0: not joined to eth0 of server",
        ),
        ("ip netns delete ecbpf-client", "client: no namespace"),
        ("ip netns delete ecbpf-client; touch /run/netns/ecbpf-client", "client: no namespace"),
    ],
)
@pytest.mark.usefixtures("running")
def test_status_names_broken_parts_and_up_repairs_them(damage: str, problem: str) -> None:
    sh(damage)
    shown = ecbpf("status").stdout
    assert shown.startswith("lab: partly\n")
    assert problem in shown
    assert lab.up().state == "up"
    ping_server(socket.AF_INET)


def test_status_json() -> None:
    lab.down()
    assert json.loads(ecbpf("status", "--json").stdout)["state"] == "down"
    lab.up()
    found = json.loads(ecbpf("status", "--json").stdout)
    assert found["state"] == "up"
    assert found["nodes"][0] == {
        "name": "server",
        "namespace": "ecbpf-server",
        "problems": [],
        "interfaces": [{"name": "eth0", "addresses": ["192.168.56.10/24", "fd00:56::10/64"], "problems": []}],
    }


def test_concurrent_commands() -> None:
    lab.down()
    ups = [subprocess.Popen([*ECBPF, "lab", "up"], stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [up.wait() for up in ups] == [0] * 4
    ping_server(socket.AF_INET)


@pytest.mark.parametrize("verb", ["up", "down"])
@pytest.mark.parametrize(
    ("calls", "first"),
    [
        pytest.param("flock", "up", id="at the lock"),
        pytest.param("?vfork,?clone,?clone3", "up", id="before a command"),
        pytest.param("wait4", "down", id="while a command runs"),
    ],
)
def test_killed_at_any_moment(verb: str, calls: str, first: str) -> None:
    """Kill `verb` at the first, second, … such moment until there is no more; then `up` or `down`, in turn.

    `first` differs, so that each half-done state meets both.
    """
    turns = cycle(["up", "down"] if first == "up" else ["down", "up"])
    for moment, then in zip(count(1), turns, strict=False):
        (lab.down if verb == "up" else lab.up)()
        strace = ["strace", "-qq", "-o", "/dev/null", "-e", f"inject={calls}:signal=KILL:when={moment}"]
        killed = subprocess.run([*strace, *ECBPF, "lab", verb], check=False, stdout=subprocess.DEVNULL)
        if killed.returncode == 0:
            assert moment > 1
            return
        assert killed.returncode == -signal.SIGKILL
        if then == "up":
            assert lab.up().state == "up"
            ping_server(socket.AF_INET)
            ping_server(socket.AF_INET6)
        else:
            lab.down()
            assert nothing_is_left()


@pytest.mark.usefixtures("running")
def test_exec_passes_streams_and_status_through() -> None:
    done = ecbpf("exec", "server", "--", "sh", "-c", "cat; echo no >&2; exit 3", stdin="yes")
    assert (done.stdout, done.stderr, done.returncode) == ("yes", "no\n", 3)


def test_down_removes_the_pins_of_attached_programs() -> None:
    lab.up()
    with lab.inside("server"):
        attach("eth0")
        folder = folder_of("eth0")
    assert os.path.exists(folder)
    lab.down()
    assert not os.path.exists(os.path.dirname(folder))


@pytest.mark.usefixtures("running")
def test_exec_becomes_the_command_and_gets_its_signals() -> None:
    done = ecbpf("exec", "client", "sh", "-c", "grep SigIgn /proc/self/status; kill -TERM $$")
    ignored = int(done.stdout.split()[1], 16)  # one bit per signal; the caller may ignore others
    assert not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)
    assert done.returncode == -signal.SIGTERM


@pytest.mark.usefixtures("running")
def test_exec_changes_the_network_and_nothing_else() -> None:
    kinds = ("net", "mnt", "pid", "uts", "ipc", "user", "cgroup")
    inside = ecbpf("exec", "server", "readlink", *(f"/proc/self/ns/{kind}" for kind in kinds)).stdout.split()
    outside = [os.readlink(f"/proc/self/ns/{kind}") for kind in kinds]
    assert inside[0] != outside[0]
    assert inside[1:] == outside[1:]


@pytest.mark.usefixtures("running")
def test_exec_finds_the_commands_installed_beside_python() -> None:
    done = ecbpf("exec", "server", "sh", "-c", 'echo "$PATH"', path="/usr/bin:/bin")
    assert done.stdout.strip() in ("/usr/bin:/bin", f"{os.path.dirname(sys.executable)}:/usr/bin:/bin")
    assert os.path.dirname(sys.executable) in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("server", "no-such-command"), 127, "ecbpf: no-such-command: command not found\n"),
        (("server", "/etc/passwd"), 126, "ecbpf: /etc/passwd: Permission denied\n"),
        (
            ("nobody", "true"),
            64,
            "ecbpf: nobody: no lab has such a node; name one of: "
            "server, client, router, switch, director, real1, real2\n",
        ),
    ],
)
@pytest.mark.usefixtures("running")
def test_exec_errors(arguments: tuple[str, ...], status: int, line: str) -> None:
    done = ecbpf("exec", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", line)


def test_exec_without_a_lab() -> None:
    lab.down()
    done = ecbpf("exec", "server", "true")
    assert done.returncode == 1
    assert done.stderr == "ecbpf: server: there is no network namespace ecbpf-server; ecbpf lab up\n"


NO_IPVS = (
    "ecbpf: lab director: this kernel has no IPVS; modprobe ip_vs, or run it in a guest: python -m tests.vm -- "
)


@pytest.mark.skipif(os.path.exists("/proc/net/ip_vs"), reason="this kernel has IPVS")
@pytest.mark.parametrize("arguments", [(), ("--vlan", "7")], ids=["plain", "VLAN"])
def test_a_director_needs_ipvs(arguments: tuple[str, ...]) -> None:
    lab.down()
    done = ecbpf("up", "director", *arguments)
    if not os.path.exists("/proc/net/ip_vs"):  # else it was a module that had to be loaded
        line = NO_IPVS + " ".join(("ecbpf lab up director", *arguments))
        assert (done.returncode, done.stdout, done.stderr) == (69, "", line + "\n")
        assert "ecbpf-director" not in sh("ip netns list")
        assert ecbpf("status", "director").stdout == "lab director: down\n"
    assert ecbpf("down", "director").returncode == 0


def test_exec_without_the_director() -> None:
    lab.down(lab.director())
    done = ecbpf("exec", "director/client", "true")
    line = "ecbpf: director/client: there is no network namespace ecbpf-director-client; ecbpf lab up director\n"
    assert (done.returncode, done.stderr) == (1, line)


@pytest.mark.usefixtures("running")
def test_inside_returns_to_the_namespace_of_before() -> None:
    before = os.readlink("/proc/thread-self/ns/net")
    with pytest.raises(RuntimeError), lab.inside("client"):  # noqa: PT012
        assert os.readlink("/proc/thread-self/ns/net") != before
        raise RuntimeError
    assert os.readlink("/proc/thread-self/ns/net") == before


@pytest.fixture
def reflecting(build: Build) -> Iterator[None]:
    """The server sends back by XDP_TX; the client's tc gives frames their VLAN tags."""
    program = build("lab/reflect")
    lab.down()
    lab.up()
    with lab.inside("server"):
        sh(f"ip link set dev eth0 xdpdrv obj {program} sec xdp")
    with lab.inside("client"):
        sh("tc qdisc add dev eth0 clsact")
        sh(f"tc filter add dev eth0 egress bpf direct-action obj {program} sec tc")
    yield
    lab.down()


@pytest.mark.parametrize(
    "ether_type",
    [
        pytest.param(b"\x88\xb5", id="untagged"),
        pytest.param(b"\x81\x00\x00\x07\x08\x00", id="tag of the sender"),
        pytest.param(b"\x88\xb6", id="802.1Q tag of the kernel"),
        pytest.param(b"\x88\xb7", id="802.1ad tag of the kernel"),
    ],
)
@pytest.mark.usefixtures("reflecting")
def test_xdp_sees_vlan_tags_and_its_transmitted_frames_arrive(ether_type: bytes) -> None:
    with lab.inside("client"):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with wire:
        wire.bind(("eth0", 0))
        wire.settimeout(0.3)
        own, other = wire.getsockname()[4], b"\x02\x00\x00\x00\x00\x01"
        # One at a time: a stuck frame would come with the next ordinary packet.
        for number in range(20):
            payload = b"reflect me %3d" % number + b"." * 50
            wire.send(other + own + ether_type + payload)
            while True:
                frame, address = wire.recvfrom(2048)
                if address[2] != PACKET_OUTGOING and frame[:12] == own + other:
                    break
            assert frame.endswith(payload)


@pytest.mark.parametrize("receiver", ["server", "client"])
@FAMILIES
def test_a_large_transfer_is_in_frames_of_the_wire(family: socket.AddressFamily, receiver: str) -> None:
    """No frame above the MTU reaches the receiver, and each has its TCP checksum filled in."""
    lab.up()
    size = 1 << 20
    with lab.inside("server"):
        listener = socket.create_server((SERVER[family], 5000), family=family)
    with lab.inside("client"):
        client = socket.create_connection((SERVER[family], 5000), timeout=5)
    server = listener.accept()[0]
    with lab.inside(receiver):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with listener, client, server, wire:
        wire.bind(("eth0", 0))
        wire.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE, <asm-generic/socket.h>
        source, sink = (client, server) if receiver == "server" else (server, client)
        source.settimeout(5)
        sink.settimeout(5)
        transferred = 0
        for _ in range(size >> 14):
            source.sendall(os.urandom(1 << 14))
            transferred += len(sink.recv(1 << 20))
        while transferred < size:
            transferred += len(sink.recv(1 << 20))
        wire.setblocking(False)
        frames = received_tcp(wire, family)
    assert len(frames) > size // 1500
    assert max(map(len, frames)) == 14 + 1500
    assert {tcp_checksum_sum(frame[14:]) for frame in frames} == {0xFFFF}


def received_tcp(wire: socket.socket, family: socket.AddressFamily) -> list[bytes]:
    start = b"\x86\xdd" if family == socket.AF_INET6 else b"\x08\x00"
    frames: list[bytes] = []
    while True:
        try:
            frame, address = wire.recvfrom(1 << 17)
        except BlockingIOError:
            return frames
        protocol = frame[20] if family == socket.AF_INET6 else frame[23]
        if address[2] != PACKET_OUTGOING and frame[12:14] == start and protocol == socket.IPPROTO_TCP:
            frames.append(frame)


def tcp_checksum_sum(packet: bytes) -> int:
    """The sum over pseudo-header and segment: 0xFFFF if the checksum is right (RFC 9293, 3.1)."""
    if packet[0] >> 4 == 6:
        addresses, segment = packet[8:40], packet[40 : 40 + int.from_bytes(packet[4:6])]
    else:
        addresses, segment = packet[12:20], packet[20 : int.from_bytes(packet[2:4])]
    return ones_complement_sum(addresses + struct.pack("!HI", socket.IPPROTO_TCP, len(segment)) + segment)
