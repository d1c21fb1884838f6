"""``xdp_bypass_ipvs`` as operators know it, flag for flag; bad input is in test_fastpath_bad_input.py."""

import os
import re
from typing import Any

import pytest

from ecbpf.chain.attach import detach
from ecbpf.chain.occupant import find_root, look
from ecbpf.chain.pins import folder_of
from ecbpf.fastpath.running import find_fastpath
from tests.netns.fastpath.typed import snapshot
from tests.support.objects import Build
from tests.support.shell import sh
from tests.support.slots import slot_ids
from tests.support.typed import done, typed

_HEAD = "PROTO CLIENT VIP SERVER INTERFACE VLAN BYPASSED UP IDLE STATE\n"


@pytest.fixture
def host(host: None) -> None:
    done("ecbpf fastpath attach -i near0 -o near0 --flows 1000")  # the classic command knows no --flows


def _settings() -> dict[str, Any]:
    return dict(find_fastpath().settings)


@pytest.mark.parametrize(("load", "unload"), [("-L", "-U"), ("--load", "--unload")])
def test_load_and_unload(host: None, load: str, unload: str) -> None:
    said = done(f"xdp_bypass_ipvs {load} -i near0,other0 -o far0 -R on")
    assert [line.rpartition(" (")[0] for line in said.splitlines()[:3]] == [
        *("near0: egress program replaced", "other0: egress program attached", "far0: egress program attached")
    ]
    assert said.endswith(
        "near0: fast path replaced in slot 7\nother0: fast path put in slot 7\n"
        "flow table kept: 0 flows, made for 1000, 0.259 MiB\n"
    )
    assert done(f"xdp_bypass_ipvs {unload} -i other0") == (
        "other0: slot 7 emptied\nother0: egress program taken off\n"
    )
    assert done(f"xdp_bypass_ipvs {unload} --inbound-ifs near0 --outbound-ifs far0") == (
        "near0: slot 7 emptied\nfar0: egress program taken off\nnear0: egress program taken off\n"
    )
    assert typed(f"xdp_bypass_ipvs {unload}").status == 1


def test_every_setting(host: None) -> None:
    cpus = {name: _settings()[name] for name in ("rx_cpus", "rps_cpus")}
    for line, wanted in (
        ("-M on", {"monitor": True}),
        ("--monitor-mode off", {"monitor": False}),
        ("-l on", {"limit_rates": True}),
        ("--limit-rates off", {"limit_rates": False}),
        ("-R on", {"redirect": True}),
        ("--redirect-mode off", {"redirect": False}),
        ("--udp", {"udp": True}),
        ("--decrement-ttl", {"decrement_ttl": True}),
        ("-v 4094 -F", {"vlan": 4094}),
        ("-v -1", {"vlan": -1}),
        ("--vlan 1 --force", {"vlan": 1}),
        ("--vlan=-1", {"vlan": -1}),
        ("-r 900 -s 899", {"inactive_seconds": 900, "sample_seconds": 899}),
        ("--sample-seconds-ipvs 1", {"sample_seconds": 1}),
        ("--inactive-seconds-xdp 2", {"inactive_seconds": 2}),
        ("-c 3", {"rx_cpus": 3}),
        ("-c 4,5", {"rx_cpus": 4, "rps_cpus": 5}),
        ("--cpus-rx-rps 1,1024", {"rx_cpus": 1, "rps_cpus": 1024}),
        ("-m 0", {"max_resets_pps": 0}),
        ("--max-resets-pps 4294967295", {"max_resets_pps": 2**32 - 1}),
        ("-t 1000", {"inbound_pps": 1000}),
        ("-t 1000+7", {"inbound_pps": 1000, "inbound_spike": 7}),
        ("--inbound-pps 1000+7%+99%", {"inbound_pps": 1000, "inbound_spike": 7, "inbound_max": 99}),
        ("-w 128", {"wrap_packets": 128}),
        ("--wrap-packets-count 65536", {"wrap_packets": 65536}),
    ):
        before = _settings()
        said = done(f"xdp_bypass_ipvs {line}")
        assert _settings() == before | wanted, line
        assert [text.split(" is ")[0] for text in said.splitlines()] == list(wanted)
    done("xdp_bypass_ipvs -L")
    assert _settings() == before | wanted, "they survive a reload"
    done("xdp_bypass_ipvs -L -M on -w 200")
    assert _settings() == before | {"monitor": True, "wrap_packets": 200}
    done("xdp_bypass_ipvs -U")
    done("ecbpf fastpath attach -i near0 -o near0 --flows 1000")
    assert {name: _settings()[name] for name in cpus} == cpus


def test_addresses(host: None) -> None:
    sh("ip addr add 10.0.0.1/24 dev near0; ip addr add 10.0.1.1/24 dev other0")
    done("xdp_bypass_ipvs -L -a other0 -e add 192.0.2.1,2001:db8::1")
    assert done("xdp_bypass_ipvs -B") == "192.0.2.1\n2001:db8::1\n"
    assert "\nown addresses: 10.0.1.1\n" in done("xdp_bypass_ipvs -P")
    done("xdp_bypass_ipvs --load --addrs-ifs near0 --excluded-addrs DEL 192.0.2.1")
    assert done("xdp_bypass_ipvs --display-excluded-addrs") == "2001:db8::1\n"
    assert "\nown addresses: 10.0.0.1\n" in done("xdp_bypass_ipvs --parameters-display")
    assert done("xdp_bypass_ipvs -e add 192.0.2.9 -B") == "excluded addresses: 2\n192.0.2.9\n2001:db8::1\n"
    assert done("xdp_bypass_ipvs -e delete 2001:db8::1,192.0.2.9 -M on") == (
        "monitor is on, was off\nexcluded addresses: 0\n"
    )
    assert done("xdp_bypass_ipvs -B") == ""


def test_what_is_shown(host: None) -> None:
    assert done("xdp_bypass_ipvs -P") == done("ecbpf fastpath show")
    counts = done("ecbpf fastpath stats")
    assert done("xdp_bypass_ipvs -S") == done("xdp_bypass_ipvs --statistics") == counts
    assert done("xdp_bypass_ipvs -f") == done("xdp_bypass_ipvs --flows-display-tcp") == _HEAD
    assert done("xdp_bypass_ipvs -S -f") == counts + _HEAD
    looks = done("xdp_bypass_ipvs -S 0.2 2 -f").split("\n\n")
    assert len(looks) == 5
    assert looks[0] == looks[2]
    assert looks[0].startswith("total_pkts_xdp_rx                    0            0/s\n")
    assert looks[1] == looks[3] == _HEAD.rstrip("\n")
    assert looks[4] == ""
    assert done("xdp_bypass_ipvs -B -P -S").endswith(done("xdp_bypass_ipvs -P") + counts)


def test_the_root_array_too(host: None, build: Build) -> None:
    done("xdp_bypass_ipvs -U")
    detach("near0")
    assert typed("xdp_bypass_ipvs -L -i near0 -o near0").err == (
        "ecbpf: near0: no root array attached; attach one: ecbpf attach near0\n"
    )
    said = done("xdp_bypass_ipvs -L -i near0,bare0 -o near0 -p off -T").splitlines()
    assert said[:2] == [f"{name}: root array attached (generic)" for name in ("near0", "bare0")]
    assert slot_ids(find_root("near0"))[7] is not None
    assert done("xdp_bypass_ipvs -L -i near0 -p off").startswith("near0: egress program replaced"), "it has one"
    done("xdp_bypass_ipvs -U")
    assert slot_ids(find_root("bare0"))[7] is None, "the root array stays"
    for interface in ("near0", "bare0"):
        detach(interface)

    sh(f"ip link set near0 xdpdrv obj {build('chain/stranger')} sec xdp")
    before = snapshot()
    status, out, err = typed("xdp_bypass_ipvs -L -i bare0,near0 -o near0 --program-array-mode off")
    assert (status, out) == (1, "")
    assert re.match(r"ecbpf: near0: .*xdp_stranger", err)
    assert snapshot() == before
    assert typed("xdp_bypass_ipvs -L -i bare0,near0 -o tun0 -p off -F").status == 65
    assert snapshot() == before
    assert look("bare0") is None
    assert not os.path.exists(folder_of("near0"))
    done("xdp_bypass_ipvs -L -i near0 -o near0 -p off -F")
    assert slot_ids(find_root("near0"))[7] is not None
