"""The rules of egress, one by one: what is learned, confirmed, ended, and which RSTs are dropped."""

import pytest

from ecbpf.kernel import Object
from tests.netns.fastpath.cases import BOTH, flow_of
from tests.netns.fastpath.director import BY_MARK, ROUTED, VIP, set_forwarding
from tests.netns.fastpath.egress_cases import TAG, Case, cases
from tests.netns.fastpath.kernel import LET_BY, Fastpath, Runner, sk_buff
from tests.netns.fastpath.state import MACS, MOMENTS, OTHER_PORT, member, prepare, put
from tests.oracle.fastpath import PORT
from tests.oracle.fastpath_flows import WAYS
from tests.oracle.fastpath_packets import frame_of
from tests.oracle.fastpath_settings import Settings
from tests.support.objects import Build

EGRESS = ((PORT, 0), (OTHER_PORT, 0), (PORT, 100))


every_case = pytest.mark.parametrize(
    ("family", "case"),
    [pytest.param(family, case, id=f"{family}: {case.description}") for family in BOTH for case in cases(family)],
)


@pytest.fixture(scope="module")
def fastpath(came_by: int, fastpath: Fastpath) -> Fastpath:
    for port, vlan in EGRESS[1:]:
        fastpath.add_egress(port, vlan)
    return fastpath


@every_case
def test_table(fastpath: Fastpath, came_by: int, family: int, case: Case) -> None:
    """Verdict, counters, the flow afterwards, and the packet unchanged; the model says the same."""
    flow = flow_of(family, case.proto)._replace(vip=case.vip[family])
    for now in MOMENTS:
        model = prepare(fastpath, Settings(**case.settings), now, local=(flow.vip,) if case.local else ())
        if case.flow is not None:
            put(fastpath, model, flow, **case.flow)
        port, vlan = case.at
        wanted = dict.fromkeys(("total_pkts_tc_tx", *case.counters), 1)
        outcome = fastpath.leave(
            case.frame, port=port, vlan=vlan, mark=case.mark, came_by=0 if case.own else came_by
        )
        assert outcome == (case.verdict, "", wanted, case.frame), now
        entry = fastpath.find(flow)
        assert (entry is None) == (case.becomes is None), now
        if entry and case.becomes:
            assert {name: member(fastpath, entry, name) for name in case.becomes} == case.becomes, now
        from_ipvs = bool(case.mark) or case.vip is VIP
        decision = model.leave(case.frame, forwarded=not case.own, from_ipvs=from_ipvs, port=port, vlan=vlan)
        assert (decision.verdict, decision.counters) == (case.verdict, wanted), now
        assert (model.flows.find(flow) is None) == (case.becomes is None), now


@pytest.mark.parametrize("family", BOTH)
def test_a_host_that_does_not_route(fastpath: Fastpath, came_by: int, family: int) -> None:
    """What it forwards is IPVS's, whatever the address."""
    set_forwarding(False)
    try:
        for vips in (VIP, ROUTED, BY_MARK):
            flow = flow_of(family)._replace(vip=vips[family])
            prepare(fastpath, Settings(), 1000)
            outcome = fastpath.leave(frame_of(flow, macs=MACS), mark=0, came_by=came_by)
            assert outcome.counters == {"total_pkts_tc_tx": 1, "lru_alloc_nonsyns": 1}
    finally:
        set_forwarding(True)


@pytest.mark.parametrize("family", BOTH)
def test_an_interface_that_is_gone(fastpath: Fastpath, family: int) -> None:
    """Nobody can say what a packet is that came by it."""
    prepare(fastpath, Settings(), 1000)
    outcome = fastpath.leave(frame_of(flow_of(family), macs=MACS), mark=0, came_by=4711)
    assert outcome.counters == {"total_pkts_tc_tx": 1, "lru_miss_out_nonsyn": 1}


@pytest.mark.parametrize("family", BOTH)
def test_every_truncation(fastpath: Fastpath, came_by: int, family: int) -> None:
    """Shorter than all headers: nothing is learned. The kernel takes none without an IP header for a test run."""
    frame = frame_of(flow_of(family), macs=MACS)
    for length in range(34 if family == 4 else 54, len(frame)):
        prepare(fastpath, Settings(udp=True), 1000)
        outcome = fastpath.leave(frame[:length], came_by=came_by)
        assert outcome == (LET_BY, "", {"total_pkts_tc_tx": 1}, frame[:length])


@pytest.mark.parametrize("family", BOTH)
@pytest.mark.parametrize(
    ("inner", "outer", "in_frame", "vlan"),
    [(0, 100, b"", 100), (0, 0xA064, b"", 100), (5, 100, b"", None), (0, 100, TAG, None), (5, 100, TAG, None)],
)
def test_tags_beside_the_packet(
    build: Build, fastpath: Fastpath, family: int, inner: int, outer: int, in_frame: bytes, vlan: int | None
) -> None:
    """Where VLAN devices put the outermost. What has two is not learned, and ends a flow that was."""
    flow = flow_of(family)
    with Object.open(build("fastpath/tagged")) as tagger:
        tagger.load()
        tagger.maps["behind"][0] = fastpath.tc
        tagger.globals.tags = (inner, outer)
        runner = Runner(tagger.programs["tc_tagged_prog"], sk_buff(mark=1, came_by=1))
        frame = frame_of(flow, macs=MACS, tags=in_frame)
        for known in (False, True):
            model = prepare(fastpath, Settings(), 1000)
            if known:
                put(fastpath, model, flow, vlan=100)
            runner.run(frame)
            entry = fastpath.find(flow)
            moved = fastpath.moved()
            assert moved.pop("total_pkts_tc_tx") == 1
            if vlan is None:
                assert entry is None
                assert moved == {"lru_miss_out_nonsyn": 1}
            else:
                assert entry
                assert entry.flow.vlan == vlan
                assert moved == {"lru_reuse_nonsyns" if known else "lru_alloc_nonsyns": 1}


@pytest.mark.parametrize("now", MOMENTS)
def test_the_flow_that_was_silent_longest_gives_way(build: Build, now: float) -> None:
    """Not a flow that another CPU heard from after this CPU had read the clock."""
    flows = [flow_of(4, port=port) for port in range(10)]
    with Fastpath(build, sets=1) as fastpath:
        for silent in range(WAYS):
            prepare(fastpath, Settings(), now)
            for flow in flows[:WAYS]:
                fastpath.leave(frame_of(flow, macs=MACS))
            entry = fastpath.find(flows[silent])
            assert entry
            entry.set.seen[:] = [(fastpath.clock.ticks + 1) % 2**32] * WAYS
            entry.set.seen[entry.way] = (fastpath.clock.ticks - 1) % 2**32
            fastpath.leave(frame_of(flows[8], macs=MACS))
            known = [bool(fastpath.find(flow)) for flow in flows]
            assert known == [place != silent for place in range(WAYS)] + [True, False]
