"""The fast path replaced, by this version or another: flows, settings, addresses and counts are kept."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ecbpf.build import compile_object
from ecbpf.chain.attach import attach, detach
from ecbpf.chain.egress import egress_program, put_egress
from ecbpf.chain.occupant import find_root
from ecbpf.chain.pins import locked
from ecbpf.chain.slots import put
from ecbpf.fastpath.flows import Flow, read_flows
from ecbpf.fastpath.programs import EGRESS
from ecbpf.fastpath.running import find_fastpath
from ecbpf.kernel.object import Object
from ecbpf.kernel.uapi import XDP_DROP, XDP_PASS, XDP_TX
from ecbpf.netdev.interfaces import index_of
from ecbpf.netdev.links import link_of
from ecbpf.objects.fastpath_egress import FastpathEgressBpf
from ecbpf.objects.fastpath_ingress import FastpathIngressBpf
from tests.netns.fastpath.kernel import sk_buff
from tests.netns.fastpath.typed import snapshot
from tests.oracle.fastpath_flows import FlowId
from tests.oracle.fastpath_packets import ROUTER_MAC, SERVER_MAC, TCP, frame_of
from tests.support.frames import FLOOD
from tests.support.objects import Build
from tests.support.shell import sh
from tests.support.slots import Verdict
from tests.support.typed import done, typed
from tests.support.versions import Edit, Version

SetVersion = Callable[..., None]

SETTING = Edit(
    "fastpath/settings.h",
    "bool monitor SETTING",
    "__u32 of_tomorrow SETTING = 7;\nbool monitor SETTING",
)
COUNTER = Edit(
    "fastpath/counters.h",
    "FASTPATH_COUNTERS,\n};",
    "FASTPATH_of_tomorrow,\n\tFASTPATH_COUNTERS,\n};",
)
FORMAT = Edit("fastpath/layout.h", "FASTPATH_FORMAT = 1", "FASTPATH_FORMAT = 2")
NO_SETTING = Edit("fastpath/settings.h", "bool decrement_ttl SETTING = false;", "#define decrement_ttl false")
# Members of struct flow as they were called before.
EARLIER_NAMES = [
    Edit("fastpath/table.h", "__u8 sequence; /* odd", "__u8 version;\n#define sequence version\n/* odd"),
    Edit("fastpath/table.h", "__u32 ifindex; /* of the NIC", "__u32 port; /* of the NIC"),
    Edit("fastpath/learn.h", "flow->ifindex =", "flow->port ="),
    Edit("fastpath/learn.h", "flow->ifindex ==", "flow->port =="),
    Edit("fastpath_ingress.bpf.c", "flow->ifindex", "flow->port"),
]

_CLIENT, _VIP = bytes((198, 51, 100, 7)), bytes((10, 0, 1, 10))
FLOW = FlowId(_CLIENT, _VIP, 40000, 80, TCP)
FLOW6 = FlowId(b"\x20\x01\x0d\xb8" + bytes(12), b"\x20\x01\x0d\xb8" + bytes(11) + b"\x01", 40001, 443, TCP)
# No sample and no silence while a test runs.
_PATIENT = {"sample_seconds": 899, "inactive_seconds": 900}


@pytest.fixture
def nic(near: str, host: None) -> str:
    """An interface with a fast path that has learned FLOW and FLOW6, and diverts them; other0 has it too."""
    patient = " ".join(f"{name}={value}" for name, value in _PATIENT.items())
    done(f"ecbpf fastpath attach -i near0,other0 -o near0 --flows 1000 {patient} -e 192.0.2.1 -a other0")
    for flow in (FLOW, FLOW6):
        learn("near0", flow)
        assert [arrive("near0", flow) for _ in range(10)] == [XDP_PASS] * 9 + [XDP_TX]
    return near


def learn(interface: str, flow: FlowId) -> None:
    """IPVS sends a packet of the flow."""
    program = egress_program(interface, EGRESS)
    assert program is not None
    frame = frame_of(flow, macs=SERVER_MAC + link_of(interface).mac)
    program.test_run(frame, context=bytes(sk_buff(1, index_of(interface))))


def arrive(interface: str, flow: FlowId, mac: bytes = b"") -> int:
    """A packet of the flow comes in; its verdict."""
    frame = frame_of(flow, macs=(mac or link_of(interface).mac) + ROUTER_MAC)
    return find_root(interface).program.test_run(frame).retval


def diverts(interface: str) -> bool:
    return [arrive(interface, flow) for flow in (FLOW, FLOW6)] == [XDP_TX, XDP_TX]


def reload(words: str = "") -> str:
    """Do so; returns the last line, on the table."""
    return done(f"ecbpf fastpath attach {words}").splitlines()[-1]


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SetVersion:
    """Have programs with some edits loaded from now on."""

    def make(*edits: Edit) -> None:
        if not edits:
            monkeypatch.undo()
            return
        built = Version(tmp_path / f"version{len(os.listdir(tmp_path))}", *edits).built
        for skeleton, name in ((FastpathEgressBpf, "fastpath_egress"), (FastpathIngressBpf, "fastpath_ingress")):
            monkeypatch.setattr(skeleton, "image", Path(built(name)).read_bytes)

    return make


def timeless(flow: Flow) -> Flow:
    return flow._replace(age=0.0, idle=0.0, state="")


def test_everything_goes_on(nic: str) -> None:
    done("ecbpf fastpath set limit_rates=on max_resets_pps=77")
    before, counts, flows = snapshot(), find_fastpath().counters(), read_flows(find_fastpath().flow_table)
    assert counts["total_bypassed_pkts"] == 2
    assert counts["lru_alloc_nonsyns"] == 2
    assert reload() == "flow table kept: 2 flows, made for 1000, 0.259 MiB"
    (*interfaces, state, table), (*interfaces_then, state_then, table_then) = snapshot(), before
    assert (state, table) == (state_then, table_then), "settings, addresses, the table"
    for index in (0, 2):  # near0 and other0
        (root, slots, egress), (root_then, slots_then, egress_then) = interfaces[index], interfaces_then[index]
        assert root == root_then
        assert slots != slots_then
        assert egress != egress_then
    assert find_fastpath().counters() == counts
    assert [timeless(flow) for flow in read_flows(find_fastpath().flow_table)] == [
        timeless(flow) for flow in flows
    ]
    assert diverts(nic)
    assert find_fastpath().counters()["total_bypassed_pkts"] == 4


@pytest.mark.parametrize(
    "edits",
    [[SETTING], [COUNTER], [SETTING, COUNTER], [NO_SETTING]],
    ids=["a setting more", "a counter more", "both", "a setting less"],
)
def test_another_version_and_back(nic: str, version: SetVersion, edits: list[Edit]) -> None:
    done("ecbpf fastpath set limit_rates=on max_resets_pps=77 wrap_packets=200")
    wanted = _PATIENT | {"limit_rates": True, "max_resets_pps": 77, "wrap_packets": 200, "vlan": -1}
    for turn in range(1, 4):
        version(*edits if turn == 1 else ())
        assert reload().startswith("flow table kept: 2 flows")
        running = find_fastpath()
        assert running.settings | wanted == running.settings
        if turn > 1 or NO_SETTING not in edits:
            assert running.settings["decrement_ttl"] is False
        assert ("of_tomorrow" in running.settings) == (turn == 1 and SETTING in edits)
        assert running.settings.get("of_tomorrow", 7) == 7
        assert [str(each) for each in running.addresses.excluded] == ["192.0.2.1"]
        assert running.addresses.interfaces == ["other0"]
        assert ("of_tomorrow" in running.counters()) == (turn == 1 and COUNTER in edits)
        assert diverts(nic)
        assert running.counters()["total_bypassed_pkts"] == 2 * turn + 2
        assert "max_resets_pps: 77\n" in done("ecbpf fastpath status")
        assert "max_resets_pps is 77, was 77\n" in done("ecbpf fastpath set max_resets_pps=77 limit_rates=on")


def test_settings_of_another_version(nic: str, version: SetVersion) -> None:
    version(NO_SETTING)
    reload()
    error = "ecbpf: decrement_ttl: the running version of the fast path does not have this setting; "
    assert typed("ecbpf fastpath set limit_rates=on decrement_ttl=on") == (
        *(1, ""),
        f"{error}ecbpf fastpath attach upgrades it\n",
    )
    assert find_fastpath().settings["limit_rates"] is False, "nothing is half done"
    assert typed("ecbpf fastpath set sample_seconds=900").status == 64
    version()
    reload("decrement_ttl=on")
    assert find_fastpath().settings["decrement_ttl"] is True
    assert diverts(nic)


def test_a_table_of_another_format_begins_anew(nic: str, version: SetVersion) -> None:
    for edits in ([FORMAT], []):
        version(*edits)
        assert reload() == "new flow table: 0 flows, made for 1000, 0.259 MiB"
        assert arrive(nic, FLOW) == XDP_PASS
        running = find_fastpath()
        assert running.settings | _PATIENT == running.settings
        assert [str(each) for each in running.addresses.excluded] == ["192.0.2.1"]
        assert running.counters()["total_bypassed_pkts"] == 2
        learn(nic, FLOW)
        assert [flow.client for flow in read_flows(running.flow_table)] == ["198.51.100.7"]


def test_a_table_with_earlier_names_of_members_is_read_and_kept(nic: str, version: SetVersion) -> None:
    version(*EARLIER_NAMES)
    done("ecbpf fastpath detach")
    reload("-i near0 -o near0 --flows 1000 sample_seconds=899 inactive_seconds=900")
    for flow in (FLOW, FLOW6):
        learn(nic, flow)
    table = find_fastpath().flow_table
    assert table.btf is not None
    names = table.btf.struct("flow")._names_
    assert {"version", "port"} <= names.keys()
    assert not {"sequence", "ifindex"} & names.keys()
    flows = [timeless(flow) for flow in read_flows(table)]
    assert {(flow.client_port, flow.interface) for flow in flows} == {(40000, "near0"), (40001, "near0")}
    version()
    assert reload().startswith("flow table kept: 2 flows")
    assert [timeless(flow) for flow in read_flows(find_fastpath().flow_table)] == flows
    assert [arrive(nic, FLOW) for _ in range(10)] == [XDP_PASS] * 9 + [XDP_TX]


def test_a_table_of_another_size_begins_anew(nic: str) -> None:
    assert reload("--flows 1000").startswith("flow table kept: 2 flows, ")
    assert diverts(nic)
    assert reload("--flows 5000") == "new flow table: 0 flows, made for 5000, 1.3 MiB"
    assert arrive(nic, FLOW) == XDP_PASS
    learn(nic, FLOW)
    assert [arrive(nic, FLOW) for _ in range(10)] == [XDP_PASS] * 9 + [XDP_TX]


def test_facts_about_the_machine_are_read_again(nic: str) -> None:
    old = link_of(nic).mac
    sh(f"ip link set {nic} address 02:00:00:00:77:77")
    assert arrive(nic, FLOW) == XDP_PASS, "frames to the new address are no business of the old program's"
    assert reload("-a near0").startswith("flow table kept: 2 flows")
    assert diverts(nic)
    assert arrive(nic, FLOW, mac=old) == XDP_PASS
    sh(f"ip addr add 10.0.1.10/24 dev {nic}")
    assert diverts(nic)
    reload()
    assert arrive(nic, FLOW) == XDP_PASS, "its VIP is an own address"
    assert arrive(nic, FLOW6) == XDP_TX
    sh(f"ip addr del 10.0.1.10/24 dev {nic}")
    reload()
    assert diverts(nic)
    done("ecbpf fastpath exclude add 10.0.1.10")
    assert arrive(nic, FLOW) == XDP_PASS
    reload()
    assert arrive(nic, FLOW) == XDP_PASS
    done("ecbpf fastpath exclude del 10.0.1.10")
    assert diverts(nic)


@pytest.mark.parametrize("words", ["", "--flows 2000", "limit_rates=on -a near0 -e 192.0.2.2 -o far0"])
def test_a_load_that_fails_at_a_later_interface(nic: str, build: Build, words: str) -> None:
    detach("far0")
    attach("far0", filename=build("chain/root_old"))
    before, bypassed = snapshot(), find_fastpath().counters()["total_bypassed_pkts"]
    status, out, err = typed(f"ecbpf fastpath attach -i far0 {words}")
    assert (status, out) == (1, "")
    assert err.startswith("ecbpf: far0: its root array is of another version: ")
    now = snapshot()
    assert now == before
    assert diverts(nic)
    assert find_fastpath().counters()["total_bypassed_pkts"] == bypassed + 2


def test_a_first_load_that_fails_at_a_later_interface(host: None, build: Build) -> None:
    detach("far0")
    attach("far0", filename=build("chain/root_old"))
    put("near0", Verdict(7, build("chain/verdicts"), XDP_DROP))
    before = snapshot()
    assert typed("ecbpf fastpath attach -i near0,far0 -o other0 --flows 1000").status == 1
    assert snapshot() == before
    assert find_root("near0").program.test_run(FLOOD).retval == XDP_DROP, "the other program is back"
    assert typed("ecbpf fastpath attach -i near0,bare0 -o other0 --flows 1000").status == 1
    assert snapshot() == before


def test_one_of_a_version_that_this_one_cannot_read(nic: str, tmp_path: Path) -> None:
    source = tmp_path / "strange.bpf.c"
    source.write_text(
        "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n"
        'SEC("tc") int tc_fastpath_prog(struct __sk_buff *skb) { return -1; }\n'
        'char _license[] SEC("license") = "GPL";\n'
    )
    compile_object(str(source), str(tmp_path / "strange.bpf.o"))
    with Object.open(str(tmp_path / "strange.bpf.o")) as strange, locked():
        strange.load()
        put_egress(nic, strange.programs["tc_fastpath_prog"])
    error = (
        "ecbpf: fast path: the fast path that runs is of another version: it has no map fastpath_flows; "
        "ecbpf fastpath detach, and attach it again\n"
    )
    for line in (
        "ecbpf fastpath status",
        "ecbpf fastpath attach",
        "ecbpf fastpath set udp=on",
        "xdp_bypass_ipvs -f",
    ):
        assert typed(line) == (1, "", error)
    assert "near0: egress program taken off\n" in done("ecbpf fastpath detach")
    assert reload("-i near0 -o near0 --flows 1000").startswith("new flow table")
