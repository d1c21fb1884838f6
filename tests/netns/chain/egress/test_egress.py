"""Programs at tc egress: attach, replace and take off, beside programs that are not ours."""

import pytest

from ecbpf.chain.attach import attach, detach
from ecbpf.chain.egress import egress_interfaces, egress_program, put_egress
from ecbpf.chain.occupant import find_root
from ecbpf.chain.pins import egress_folder, folder_of, folders, locked
from ecbpf.chain.repair import repair, sweep
from ecbpf.errors import BusyError, EcbpfError
from ecbpf.kernel import tc
from ecbpf.kernel.object import Object
from ecbpf.kernel.tc import ClsactFilter, TcxLink, tcx_programs
from ecbpf.netdev.interfaces import index_of
from tests.netns.chain.egress.programs import (
    COUNT,
    OURS,
    THEIRS,
    Load,
    is_tidy,
    no_tcx,
    pins,
    put,
    running,
    seen,
    seen_of,
    take_off,
)
from tests.support.flood import Flood
from tests.support.needs import needs_tcx
from tests.support.objects import Build
from tests.support.pair import Pair
from tests.support.shell import sh


def test_attach_replace_take_off(near: str, pair: Pair, new: Load, way: str) -> None:
    first, second = new(), new()
    assert egress_program(near, OURS) is None
    assert egress_interfaces(OURS) == []
    assert put(near, first) == f"egress program attached ({way})"
    assert running(near) == 1
    assert seen_of(near, first) == [COUNT]
    assert seen_of(pair.far, first) == [0]
    assert pins() == ([str(index_of(near))] if way == "tcx" else [])
    assert egress_interfaces(OURS) == [near]
    assert egress_interfaces("tc_another") == []

    assert put(near, second) == f"egress program replaced ({way})"
    assert running(near) == 2
    assert seen_of(near, first, second) == [0, COUNT]
    assert put(near, second) == f"egress program replaced ({way})"
    assert put(pair.far, first) == f"egress program attached ({way})"
    assert sorted(egress_interfaces(OURS)) == sorted([near, pair.far])
    assert (running(near), running(pair.far)) == (2, 1)

    assert take_off(near) is True
    assert (running(near), running(pair.far)) == (None, 1)
    assert seen_of(near, first, second) == [0, 0]
    assert egress_interfaces(OURS) == [pair.far]
    assert take_off(near) is False
    assert take_off(pair.far) is True
    assert is_tidy(), "the last pin goes, and its folders with it"


def test_no_frame_leaves_uncounted_while_it_is_replaced(near: str, pair: Pair, new: Load, way: str) -> None:
    versions = [new()]
    put(pair.far, versions[0])
    flood = Flood(pair)
    try:
        with flood:
            for _ in range(50):
                versions.append(new())
                put(pair.far, versions[-1])
        assert flood.sent > 10_000
        assert sum(seen(*versions)) == flood.sent
    finally:
        flood.close()


@needs_tcx
def test_other_programs_at_tcx_before_and_behind_stay(near: str, new: Load) -> None:
    before, ours, behind, at_clsact, newer = (new() for _ in range(5))
    clsact = ClsactFilter(index_of(near), "egress")
    clsact.put(at_clsact.programs[THEIRS])  # at our handle, which does not matter with tcx
    with TcxLink.create(index_of(near), before.programs[THEIRS], "egress"):
        assert put(near, ours) == "egress program attached (tcx)"
        with TcxLink.create(index_of(near), behind.programs[THEIRS], "egress"):
            for now in (ours, newer):
                assert put(near, now) == "egress program replaced (tcx)"
                order = [before.programs[THEIRS].id, now.programs[OURS].id, behind.programs[THEIRS].id]
                assert tcx_programs(index_of(near), "egress") == order
                assert seen_of(near, before, now, behind, at_clsact) == [COUNT] * 4
            take_off(near)
            assert seen_of(near, before, newer, behind, at_clsact) == [COUNT, 0, COUNT, COUNT]
    assert clsact.program_id() == at_clsact.programs[THEIRS].id


def test_other_programs_at_clsact_stay(near: str, new: Load, pin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tc, "probe_tcx", no_tcx)
    theirs, ours, newer = new(), new(), new()
    theirs.programs[THEIRS].pin(pin)
    sh(f"tc qdisc add dev {near} clsact")
    for where in ("prio 1 handle 1", "prio 7 handle 0xecb"):
        sh(f"tc filter add dev {near} egress {where} bpf da object-pinned {pin}")
    for now in (ours, newer):
        put(near, now)
        assert seen_of(near, theirs, now) == [2 * COUNT, COUNT]
    assert take_off(near)
    assert seen_of(near, theirs, newer) == [2 * COUNT, 0]


def test_another_filter_at_our_handle_is_named_and_left_alone(
    near: str, new: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tc, "probe_tcx", no_tcx)
    theirs, ours = new(), new()
    number = theirs.programs[THEIRS].id
    clsact = ClsactFilter(index_of(near), "egress")
    clsact.put(theirs.programs[THEIRS])
    named = (
        rf"near0: the egress filter with handle 0xecb, priority 1, is program {number} \(tc_theirs\), which is "
        "not ours; tc filter del dev near0 egress pref 1 handle 0xecb bpf"
    )
    with pytest.raises(BusyError, match=named) as refusal:
        put(near, ours)
    assert clsact.program_id() == number
    assert egress_program(near, OURS) is None
    assert take_off(near) is False
    assert seen_of(near, theirs) == [COUNT]
    sh(refusal.value.hint)
    assert put(near, ours) == "egress program attached (clsact)"


def test_an_ingress_qdisc_where_clsact_would_go(near: str, new: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel would accept a filter for egress there, and run it at ingress."""
    monkeypatch.setattr(tc, "probe_tcx", no_tcx)
    sh(f"tc qdisc add dev {near} ingress")
    with pytest.raises(
        BusyError, match=r"near0: it has an ingress qdisc.*; tc qdisc del dev near0 ingress"
    ) as refusal:
        put(near, new())
    assert egress_program(near, OURS) is None
    sh(refusal.value.hint.partition(",")[0])
    assert put(near, new()) == "egress program attached (clsact)"


def test_a_priority_that_a_filter_of_another_protocol_has(
    near: str, new: Load, pin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tc, "probe_tcx", no_tcx)
    ours = new()
    ours.programs[THEIRS].pin(pin)
    sh(f"tc qdisc add dev {near} clsact")
    sh(f"tc filter add dev {near} egress prio 1 protocol ip bpf da object-pinned {pin}")
    with pytest.raises(
        EcbpfError, match=r"near0: .*\(EINVAL\); does a filter of .* protocol have priority 1\? see `tc"
    ):
        put(near, ours)
    assert egress_program(near, OURS) is None


@needs_tcx
def test_a_filter_of_ours_is_not_joined_by_a_link(near: str, new: Load) -> None:
    first, second = new(), new()
    ClsactFilter(index_of(near), "egress").put(first.programs[OURS])
    assert put(near, second) == "egress program replaced (clsact)"
    assert seen_of(near, first, second) == [0, COUNT]
    assert tcx_programs(index_of(near), "egress") == []
    assert take_off(near)
    assert seen_of(near, first, second) == [0, 0]


@needs_tcx
def test_two_of_ours_become_one(near: str, new: Load) -> None:
    first, second, third = new(), new(), new()
    put(near, first)
    ClsactFilter(index_of(near), "egress").put(second.programs[OURS])
    assert seen_of(near, first, second) == [COUNT, COUNT]
    assert put(near, third) == "egress program replaced (tcx)"
    assert seen_of(near, first, second, third) == [0, 0, COUNT]
    ClsactFilter(index_of(near), "egress").put(second.programs[OURS])
    assert take_off(near)
    assert seen_of(near, first, second, third) == [0, 0, 0]


def test_root_array_and_egress_program_are_independent(near: str, new: Load, way: str) -> None:
    first, second = new(), new()
    attach(near)
    put(near, first)
    assert folder_of(near) in folders()
    assert egress_folder() not in folders()
    root = find_root(near).program.id
    put(near, second)
    assert find_root(near).program.id == root
    attach(near)
    detach(near)
    assert running(near) == 2
    with locked():
        repair(near)
    sweep()
    assert seen_of(near, second) == [COUNT]
    take_off(near)
    assert is_tidy()


def test_a_program_of_another_type_is_refused_at_tc(near: str, build: Build, way: str) -> None:
    with Object.open(build("chain/stranger")) as wrong:
        wrong.load()
        with locked(), pytest.raises(EcbpfError, match="near0: "):
            put_egress(near, wrong.programs["xdp_stranger"])
    assert pins() == []
