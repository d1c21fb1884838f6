"""The rules of ingress, one by one: docs/fastpath.md."""

import ipaddress

import pytest

from ecbpf.netdev.addresses import mapped
from tests.netns.fastpath.cases import ANSWERED, BOTH, TO_SERVER, Case, cases, flow_of
from tests.netns.fastpath.kernel import Fastpath
from tests.netns.fastpath.state import MACS, MOMENTS, OTHER_PORT, member, prepare, put
from tests.oracle.fastpath import PORT, Decision, Model
from tests.oracle.fastpath_flows import Position, Server
from tests.oracle.fastpath_frames import answer_faults, to_server
from tests.oracle.fastpath_packets import frame_of
from tests.oracle.fastpath_settings import Settings
from tests.oracle.packet import parse

# On the packet, and on those of the server.
TAGS = {
    "no tag": (b"", 0),
    "pushed": (b"", 100),
    "swapped, its priority stays": (b"\x81\x00\xb0\x05", 100),
    "802.1ad swapped": (b"\x88\xa8\x70\x05", 100),
    "popped": (b"\x81\x00\xe0\x05", 0),
    "the same": (b"\x81\x00\x20\x64", 100),
}

every_case = pytest.mark.parametrize(
    ("family", "case"),
    [pytest.param(family, case, id=f"{family}: {case.description}") for family in BOTH for case in cases(family)],
)


@pytest.fixture(scope="module")
def fastpath(fastpath: Fastpath) -> Fastpath:
    for port in (PORT, OTHER_PORT):
        fastpath.ingress.maps["fastpath_ports"][port] = 1
    return fastpath


def expected(case: Case, family: int, tags: bytes, vlan: int) -> Decision:
    """What the case says."""
    counters = dict.fromkeys(("total_pkts_xdp_rx", *case.counters), 1)
    if case.basic != "none":
        counters[f"ipv{family}_pkts"] = 1
    if case.basic == "tcp":
        counters["tcp_pkts"] = 1
    frame = tagged(case.frame, tags)
    if case.verdict[1] != TO_SERVER[1]:
        return Decision(*case.verdict, counters, None if case.verdict == ANSWERED else frame)
    counters["total_bypassed_pkts"] = 1
    decrement = case.settings.get("decrement_ttl", False)
    goes_in = case.settings.get("vlan", (case.flow or {}).get("vlan", vlan))
    return Decision(*case.verdict, counters, to_server(frame, parse(frame)[1], MACS, goes_in, decrement))


def tagged(frame: bytes, tags: bytes) -> bytes:
    return frame[:12] + tags + frame[12:]


@every_case
def test_table(fastpath: Fastpath, family: int, case: Case) -> None:
    """Verdict, reason, counters, the packet as it goes on, and the flow; the model says the same."""
    for name, (tags, vlan) in TAGS.items():
        if case.frame[12:14] in (b"\x81\0", b"\x88\xa8") and tags:
            continue
        for now in MOMENTS if name == "no tag" else MOMENTS[:1]:
            flow = flow_of(family, case.proto)
            local = (flow.vip,) if case.local else ()
            model = prepare(fastpath, Settings(**case.settings), now, local=local)
            if case.flow is not None:
                put(fastpath, model, flow, **{"vlan": 0 if "vlan" in case.settings else vlan} | case.flow)
            frame = tagged(case.frame, tags)
            wanted = expected(case, family, tags, vlan)
            assert model.enter(frame) == wanted, (name, now)
            outcome = fastpath.enter(frame)
            assert outcome[:3] == wanted[:3], (name, now)
            if wanted.frame is None:
                assert not answer_faults(frame, outcome.frame), (name, now)
            else:
                assert outcome.frame == wanted.frame, (name, now)
            entry = fastpath.find(flow)
            assert (entry is None) == (case.ended or case.flow is None), (name, now)
            if entry:
                assert {key: member(fastpath, entry, key) for key in case.becomes} == case.becomes, (name, now)


def test_nothing_is_left_out(fastpath: Fastpath) -> None:
    """Each counter of ingress and each of its reasons has a case, each switch one in which it is on."""
    elsewhere = {"lru_miss_in_limited", "adjust_head_errors"}
    basic = {"total_pkts_xdp_rx", "total_bypassed_pkts", "ipv4_pkts", "ipv6_pkts", "tcp_pkts"}
    of_egress = {
        *("total_pkts_tc_tx", "lru_reuse_syns", "lru_deletion_out_RST", "lru_alloc_nonsyns", "lru_reuse_nonsyns"),
        *("lru_miss_out_syn", "lru_miss_out_nonsyn", "out_rsts_sent_tc", "out_rsts_disc_rate"),
        *("out_rsts_disc_flow", "out_rsts_unknown", "unexpected_ipvs_rsts", "server_changes"),
    }
    every = [case for family in BOTH for case in cases(family)]
    assert {counter for case in every for counter in case.counters} | basic == (
        set(fastpath.counter_names) - elsewhere - of_egress
    )
    reasons = {name for number, name in fastpath.reasons.items() if 64 <= number < 0x8000}
    assert {case.verdict[1] for case in every} == reasons - {"REASON_INBOUND_LIMIT"} | {"REASON_NONE"}
    assert {name for case in every for name in case.settings} == {
        *("monitor", "redirect", "decrement_ttl", "udp", "vlan", "inactive_seconds", "sample_seconds")
    }


def test_generations(fastpath: Fastpath) -> None:
    """A flow is looked up among the addresses again whenever they have changed, and only then."""
    flow = flow_of(4)
    frame = frame_of(flow)
    put(fastpath, prepare(fastpath, Settings(), 1000), flow)
    entry = fastpath.find(flow)
    assert entry
    generation = fastpath.globals.address_generation  # one ahead of that by which it was learned
    assert entry.flow.generation == (generation - 1) % 2**8
    generation += 1
    fastpath.globals.address_generation = generation
    assert fastpath.enter(frame).verdict == "XDP_TX"
    entry = fastpath.find(flow)
    assert entry
    assert entry.flow.generation == generation % 2**8
    fastpath.local[mapped(ipaddress.ip_address(flow.vip))] = 2  # nobody says so
    assert fastpath.enter(frame).verdict == "XDP_TX"
    fastpath.globals.address_generation += 1
    for _ in range(3):
        assert fastpath.enter(frame).counters["ipv4_inbound_locals"] == 1
    fastpath.set_local([])
    assert fastpath.enter(frame).verdict == "XDP_TX"


def test_model_s_places() -> None:
    """The table of the model: what is called alike has to go, then who was silent longest."""
    model = Model(lambda flow: Position(0, flow.client_port % 10))
    flows = [flow_of(4)._replace(client_port=port) for port in range(1, 9)]
    for now, flow in enumerate(flows):
        model.flows.learn(flow, Server(MACS, 1, 0), now)
    alike = flow_of(4)._replace(client_port=14)
    model.flows.learn(alike, Server(MACS, 1, 0), 20)
    assert [flow.id.client_port for flow in model.flows] == [1, 2, 3, 14, 5, 6, 7, 8]
    model.flows.learn(flow_of(4)._replace(client_port=9), Server(MACS, 1, 0), 21)
    assert [flow.id.client_port for flow in model.flows] == [9, 2, 3, 14, 5, 6, 7, 8]
