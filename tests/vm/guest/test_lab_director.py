"""The director's lab: packets to a VIP reach a real server through IPVS, and replies reach the client."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter

import pytest

from ecbpf import lab
from ecbpf.errors import BusyError
from ecbpf.lab import Topology
from ecbpf.lab.director import MARKED_VIP, VIP
from ecbpf.lab.namespace import run_in
from ecbpf.lab.web import processes
from tests.vm.lab.downloads import download, expected
from tests.vm.lab.ipvs import inbound_packets, services
from tests.vm.lab.variants import PLAIN

VIPS = pytest.mark.parametrize("vip", [*VIP, *MARKED_VIP])
DIRECTOR = "ecbpf-director-director"
REALS = ("ecbpf-director-real1", "ecbpf-director-real2")


def who_answers(vip: str, times: int) -> Counter[bytes]:
    return Counter(download(vip, "id").body for _ in range(times))


@VIPS
def test_a_download_by_the_vip_is_right(director: Topology, vip: str) -> None:
    before = inbound_packets(vip)
    got = download(vip, "bytes/3000000")
    assert got.sha256 == expected(3_000_000)
    assert inbound_packets(vip) > before + 10


@pytest.mark.parametrize("vip", VIP)
def test_a_service_by_address_takes_turns(director: Topology, vip: str) -> None:
    assert who_answers(vip, 4) == {b"real1\n": 2, b"real2\n": 2}


@pytest.mark.parametrize("vip", MARKED_VIP)
def test_a_service_by_mark_keeps_a_client_at_a_server(director: Topology, vip: str) -> None:
    assert list(who_answers(vip, 4).values()) == [4]


@VIPS
def test_udp_by_the_vip(director: Topology, vip: str) -> None:
    family = socket.AF_INET6 if ":" in vip else socket.AF_INET
    with lab.inside("director/client"), socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((vip, 443))
        client.send(b"hello")
        assert client.recv(100) in (b"real1 hello", b"real2 hello")


def test_only_packets_to_servers_have_the_vlan_tag(director: Topology) -> None:
    """The frames on the director's interface: clients' packets as they arrive and as they leave."""
    vlans = [vlan.vlan_id for interface in director.wires[2] for vlan in interface.vlans]
    with lab.inside("director"):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    with wire:
        wire.bind(("eth0", 0))
        wire.settimeout(5)
        own = wire.getsockname()[4]
        download(VIP[0], "id")
        seen = {True: set(), False: set()}  # type: dict[bool, set[bytes]]
        wire.setblocking(False)
        try:
            while True:
                frame = wire.recv(2048)
                if socket.inet_aton(VIP[0]) in frame:
                    seen[frame[:6] == own].add(frame[12:16])
        except BlockingIOError:
            pass
    tagged = b"\x81\x00" + vlans[0].to_bytes(2) if vlans else b"\x08\x00\x45\x00"
    assert seen == {True: {b"\x08\x00\x45\x00"}, False: {tagged}}


# Damage that does not hide other damage is done at once: a repair takes a quarter of a minute.
DAMAGES = {
    f"ip netns exec {DIRECTOR} ipvsadm -D -t {VIP[0]}:80": f"director: IPVS lacks -t {VIP[0]}:80",
    f"ip netns exec {DIRECTOR} nft flush ruleset": "director: nft has no table",
    f"ip -n {DIRECTOR} address del {VIP[0]}/32 dev lo": f"director: {VIP[0]}/32 is missing",
    "ip -n ecbpf-director-router route del 192.168.60.0/24": "router: no route to 192.168.60.0/24",
    "ip -n ecbpf-director-router -6 route del fd00:60::/64": "router: no route to fd00:60::/64",
    "ip -n ecbpf-director-switch link set director xdp off": "switch director: no XDP program",
    "ip -n ecbpf-director-switch link set real1 nomaster": "switch real1: not in the bridge br0",
    f"kill -9 $(ip netns pids {REALS[0]})": "real1: no web server",
    "ip netns delete ecbpf-director-client": "client: no namespace",
}
MORE_DAMAGES = {
    "ip -n ecbpf-director-switch link delete br0": "switch: no such interface: br0",
    f"ip netns delete {DIRECTOR}": "director: no namespace",
}


@PLAIN
@pytest.mark.parametrize("damages", [DAMAGES, MORE_DAMAGES], ids=["nine things", "two things"])
def test_status_names_broken_parts_and_up_repairs_them(director: Topology, damages: dict[str, str]) -> None:
    for damage in damages:
        subprocess.run(damage, shell=True, check=True)
    found = lab.status(lab.topology_of("director"))
    assert found.state == "partly"
    for problem in damages.values():
        assert any(line.startswith(problem) for line in found.problems), (problem, found.problems)
    assert lab.up(lab.topology_of("director")).state == "up"
    assert who_answers(VIP[0], 2) == {b"real1\n": 1, b"real2\n": 1}
    assert download(MARKED_VIP[1], "bytes/100").sha256 == expected(100)


@PLAIN
def test_a_drained_server_stays_drained(director: Topology) -> None:
    service, server = next(
        (service, server) for service, server in services() if service == ("-t", f"{VIP[0]}:80")
    )
    run_in(DIRECTOR, "ipvsadm", "-e", *service, "-r", server, "-g", "-w", "0")
    try:
        assert lab.up(lab.topology_of("director")).state == "up"
        assert list(who_answers(VIP[0], 4).values()) == [4]
    finally:
        run_in(DIRECTOR, "ipvsadm", "-e", *service, "-r", server, "-g", "-w", "1")


def test_another_variant_is_refused(director: Topology) -> None:
    other = lab.director(9)
    with pytest.raises(BusyError, match="ecbpf lab down director first"):
        lab.up(other)
    assert lab.status(lab.topology_of("director")).state == "up"


ECBPF = [sys.executable, "-c", "import sys; from ecbpf.cli.main import main; sys.exit(main())"]


@PLAIN
def test_a_client_of_each_lab(director: Topology) -> None:
    """The director's client is `client` alone, and `director/client` beside the other lab."""

    def addresses(node: str) -> str:
        command = [*ECBPF, "lab", "exec", node, "--", "ip", "-br", "address", "show", "dev", "eth0"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "192.168.57.20" in addresses("client")
    lab.up()
    try:
        assert "192.168.56.20" in addresses("client")
        assert "192.168.57.20" in addresses("director/client")
    finally:
        lab.down()
    assert lab.status(director).state == "up"


@PLAIN
def test_killed_while_it_goes_up(director: Topology) -> None:
    """Whatever is half done, `up` completes or `down` removes."""
    try:
        for moment in (9, 30):
            lab.down(director)
            inject = f"inject=?vfork,?clone,?clone3:signal=KILL:when={moment}"
            strace = ["strace", "-qq", "-o", "/dev/null", "-e", inject]
            killed = subprocess.run([*strace, *ECBPF, *director.up.split()[1:]], check=False)
            assert killed.returncode == -signal.SIGKILL
            if moment % 2 == 0:
                assert lab.up(director).state == "up"
                assert who_answers(VIP[1], 2) == {b"real1\n": 1, b"real2\n": 1}
            lab.down(director)
            assert not [name for name in os.listdir("/run/netns") if name.startswith("ecbpf-director")]
            assert not [real for real in REALS if processes(real)]
    finally:
        lab.up(director)
