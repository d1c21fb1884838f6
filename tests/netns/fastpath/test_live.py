"""Real TCP through the fast path, see lab.py: transparent, effective, and on it goes, come what may."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ecbpf.chain.egress import take_off_egress
from ecbpf.chain.pins import locked
from ecbpf.fastpath.programs import EGRESS
from ecbpf.fastpath.running import find_fastpath
from tests.netns.fastpath.lab import VIPS, Lab, lab
from tests.support.objects import Build
from tests.support.typed import done, typed

_MB = 10**6


@pytest.fixture(scope="module")
def topology(build: Build) -> Iterator[Lab]:
    with lab(build("fastpath/mark")) as made:
        yield made


@pytest.fixture
def bare(topology: Lab) -> Iterator[Lab]:
    """Without a fast path, in the director's namespace."""
    with topology.inside("director"):
        topology.route("eth0")
        yield topology
        typed("ecbpf fastpath detach")


@pytest.fixture
def wires(bare: Lab) -> Lab:
    """With the fast path on eth0, both ways."""
    done("ecbpf fastpath attach -i eth0 -o eth0 --flows 1000")
    return bare


def _flows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done("ecbpf fastpath flows --json"))
    return found


def _until(what: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


def _bypassed() -> int:
    return find_fastpath().counters()["total_bypassed_pkts"]


@pytest.mark.parametrize("family", [4, 6])
def test_nearly_all_of_a_download_goes_past(wires: Lab, family: int) -> None:
    moved = wires.moved()
    assert wires.download(20 * _MB, family) == ""
    counts = moved()
    assert counts["tcp_pkts"] > 1000
    assert counts["total_bypassed_pkts"] >= 0.98 * counts["tcp_pkts"]
    assert counts["lru_alloc_nonsyns"] == counts["lru_miss_out_syn"] == 1
    flow = max(_flows(), key=lambda each: each["bypassed"])
    assert flow["bypassed"] == counts["total_bypassed_pkts"]
    wanted = {"proto": "tcp", "vip": VIPS[family], "vip_port": 80, "interface": "eth0", "vlan": 0}
    wanted |= {"client": {4: "10.0.0.2", 6: "fd00::2"}[family], "server": wires.server_mac(), "state": "closing"}
    assert flow | wanted == flow
    assert done(f"ecbpf fastpath flows --server {flow['server']}").count("\n") == 1 + len(_flows())
    assert done("ecbpf fastpath flows --server 02:00:00:00:00:99").count("\n") == 1


@pytest.mark.parametrize("family", [4, 6])
def test_ten_first_packets_and_a_sample_a_second(wires: Lab, family: int) -> None:
    done("ecbpf fastpath set sample_seconds=1")
    moved = wires.moved()
    assert wires.download(2 * _MB, family, seconds=3) == ""
    counts = moved()
    up = counts["tcp_pkts"] - counts["total_bypassed_pkts"]
    assert 1 + 10 + 1 + 2 <= up <= 1 + 10 + 1 + 4 + 3, "SYN, first ones, FIN, samples, what comes after the FIN"


def test_sorted(wires: Lab) -> None:
    with wires.connect() as idle:
        assert wires.download(2 * _MB) == ""
        time.sleep(0.2)
        idle.send(b"GET ")
        _until(lambda: len(_flows()) == 2)
        by_packets, by_silence = (
            json.loads(done(f"ecbpf fastpath flows --json --sort {how}")) for how in ("pkts", "idle")
        )
        assert [flow["bypassed"] > 0 for flow in by_packets] == [True, False]
        assert by_silence == sorted(by_silence, key=lambda flow: flow["idle"])
        assert by_silence[0]["state"] == "young"


def test_a_flow_that_moves_to_another_server(wires: Lab) -> None:
    running = wires.downloading(4 * _MB, seconds=3)
    _until(lambda: _bypassed() > 100)
    assert [flow["server"] for flow in _flows()] == [wires.server_mac("eth0")]
    wires.route("eth1")
    _until(lambda: [flow["server"] for flow in _flows()] == [wires.server_mac("eth1")], 1.5)
    counts, since = find_fastpath().counters(), wires.moved()
    assert counts["server_changes"] == 1
    assert running.result() == ""
    assert since()["total_bypassed_pkts"] > 100, "and there it goes"


@pytest.mark.parametrize("family", [4, 6])
def test_changed_in_the_middle_of_a_download(bare: Lab, family: int) -> None:
    running = bare.downloading(8 * _MB, family, seconds=4)
    time.sleep(0.3)
    done("ecbpf fastpath attach -i eth0 -o eth0 --flows 1000")
    _until(lambda: _bypassed() > 100)
    done("ecbpf fastpath attach")
    moved = bare.moved()
    _until(lambda: moved()["total_bypassed_pkts"] > 100)
    assert moved()["lru_alloc_nonsyns"] == 0, "no flow went back to be learned again"
    done("ecbpf fastpath set monitor=on")
    status = json.loads(done("ecbpf status eth0 --json"))
    moved = bare.moved()
    _until(lambda: moved()["total_bypassed_pkts"] > 100)
    assert (
        json.loads(done("ecbpf status eth0 --json"))["eth0"]["statistics"]["XDP_TX"]
        == (status["eth0"]["statistics"]["XDP_TX"])
    ), "counted, and none diverted"
    done("ecbpf fastpath set monitor=off")
    done("ecbpf fastpath attach --flows 2000")
    _until(lambda: _flows() and _flows()[0]["bypassed"] > 100)
    done("ecbpf fastpath detach")
    time.sleep(0.3)
    done("ecbpf fastpath attach -i eth0 -o eth0 --flows 1000")
    _until(lambda: _bypassed() > 100)
    assert running.result() == ""


def test_egress_taken_away_behind_our_back(wires: Lab) -> None:
    running = wires.downloading(6 * _MB, seconds=6)
    _until(lambda: _bypassed() > 100)
    with locked():
        take_off_egress("eth0", EGRESS)
    _until(lambda: [flow["state"] for flow in _flows()] == ["unconfirmed"], 4.5)
    moved = wires.moved()
    _until(lambda: moved()["unconfirmed"] > 50)
    assert moved()["total_bypassed_pkts"] == 0
    done("ecbpf fastpath attach -o eth0")
    _until(lambda: moved()["total_bypassed_pkts"] > 50)
    assert running.result() == ""


def test_a_nic_that_is_made_anew(wires: Lab) -> None:
    done("ecbpf fastpath attach -i eth1")
    running = wires.downloading(6 * _MB, seconds=3)
    _until(lambda: _bypassed() > 100)
    wires.new_nic("eth0")
    wires.route("eth0")
    assert "ingress: eth1\n" in done("ecbpf fastpath show")
    said = done("ecbpf fastpath attach -i eth0")
    assert "eth0: fast path put in slot 7\n" in said
    assert "flow table kept: 1 flow," in said
    moved = wires.moved()
    _until(lambda: moved()["total_bypassed_pkts"] > 50)
    assert running.result() == ""


def test_a_vlan_that_is_wrong(wires: Lab) -> None:
    status, _, err = typed("ecbpf fastpath set vlan=77")
    assert (status, err.split(";")[0]) == (65, "ecbpf: vlan=77: this host has no such VLAN on eth0")
    done("ecbpf fastpath set vlan=77 --force")
    moved = wires.moved()
    assert wires.download(2 * _MB) == ""
    counts = moved()
    assert counts["total_bypassed_pkts"] == 0
    assert counts["vlan_conflicts"] > 50


def test_two_nics(bare: Lab) -> None:
    """Clients come in by one, IPVS sends by the other."""
    bare.route("eth0", by="eth1")
    status, _, err = typed("ecbpf fastpath attach -i eth0 -o eth1 --flows 1000")
    assert (status, err.split(": no ")[0]) == (0, "ecbpf: warning: eth1")
    moved = bare.moved()
    assert bare.download(2 * _MB) == ""
    assert moved()["total_bypassed_pkts"] == 0, "none by the NIC that does not lead there"
    assert moved()["unknown_interface"] > 50
    assert done("ecbpf fastpath set redirect=on") == "redirect is on, was off\n"
    for family in (4, 6):
        moved = bare.moved()
        assert bare.download(20 * _MB, family) == ""
        counts = moved()
        assert counts["total_bypassed_pkts"] >= 0.98 * counts["tcp_pkts"]
    assert {flow["interface"] for flow in _flows()} == {"eth1"}
    assert typed("ecbpf fastpath set redirect=off").status == 0
    assert bare.download(_MB) == ""


@pytest.mark.parametrize("family", [4, 6])
def test_a_rst_of_ingress_ends_a_connection(bare: Lab, family: int) -> None:
    """This host's own is kept from the client."""
    done("ecbpf fastpath attach -i eth0 -o eth0 --flows 1000 limit_rates=on max_resets_pps=0")
    with bare.connect(family) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def talk(times: int) -> None:
            for _ in range(times):
                client.send(b"x")
                time.sleep(0.01)

        talk(20)
        assert _bypassed() > 5
        moved = bare.moved()
        with bare.director_is_vip(), pytest.raises(ConnectionResetError):
            talk(300)
    counts = moved()
    assert counts["out_rsts_sent_xdp"] == 1, "the first one does it"
    assert counts["out_rsts_disc_rate"] == counts["lru_deletion_out_RST"] == 1
    assert counts["out_rsts_sent_tc"] == counts["in_rsts_disc_flow"] == 0
