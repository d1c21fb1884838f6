"""The filter's rules, one by one."""

from dataclasses import fields
from itertools import product
from typing import Any

import pytest

from tests.netns.filter.cases import ALLOW, DROP, LOCAL, TAGS, Case, cases, frame_of
from tests.netns.filter.kernel import Filter
from tests.oracle.filter import Settings, World, answer_faults, decide
from tests.support.objects import Build

NO_LIMIT = 2**32 - 1
ELSEWHERE = {"ptb_mem_err_count", "ptb_limit_count"}  # in test_ptb.py
OF_L4 = {"REASON_L4_SHORT", "REASON_TCP_HEADER"}  # the filter reads no further than IP

every_case = pytest.mark.parametrize("case", [pytest.param(case, id=case.description) for case in cases()])


@pytest.fixture(scope="module")
def filter_(filter_: Filter) -> Filter:
    filter_.set_lists(DROP, ALLOW)
    filter_.set_local(LOCAL)
    return filter_


def world(**settings: Any) -> World:
    return World(Settings(**({"ptb_max_pps": NO_LIMIT} | settings)), DROP, ALLOW, LOCAL)


@every_case
def test_table(filter_: Filter, case: Case) -> None:
    """With every kind of VLAN tags: verdict, reason, counters, and the packet afterwards."""
    alike = world(**case.settings)
    filter_.set(alike.settings)
    for name, tags in TAGS.items():
        if case.reason == "REASON_ETH_SHORT" and len(tags) == 8:
            continue  # a third tag
        frame = frame_of(case, tags)
        outcome = filter_(frame)
        wanted = dict.fromkeys(case.counters, 1)
        assert (outcome.verdict, outcome.reason, outcome.counters) == (case.verdict, case.reason, wanted), name
        if outcome.verdict == "XDP_TX":
            assert not answer_faults(frame, outcome.frame), name
        else:
            assert outcome.frame == frame, name
        decision = decide(frame, alike)
        assert decision[:2] == outcome[:2], name
        assert dict.fromkeys(decision.counters, 1) == outcome.counters, name


@every_case
def test_three_vlan_tags(filter_: Filter, case: Case) -> None:
    """A third VLAN tag could hide anything: the packet is aborted whatever the settings."""
    for settings in (world(), _all_off()):
        filter_.set(settings.settings)
        for third in (b"\x81\x00\x00\x07", b"\x88\xa8\x00\x07"):
            frame = frame_of(case, TAGS["802.1ad, 802.1Q"] + third)
            outcome = filter_(frame)
            assert outcome == ("XDP_ABORTED", "REASON_VLAN_DEPTH", {"eth_frame_err": 1}, frame)


def test_every_combination_of_switches(filter_: Filter) -> None:
    switches = [each.name for each in fields(Settings) if each.type is bool]
    assert len(switches) == 7
    frames = [frame_of(case, tags) for case in cases() for tags in (b"", TAGS["802.1ad, 802.1Q"])]
    for values in product((False, True), repeat=len(switches)):
        here = world(**dict(zip(switches, values, strict=True)))
        filter_.set(here.settings)
        for frame in frames:
            assert filter_.agrees(frame, decide(frame, here)), (frame.hex(), here.settings)


@every_case
def test_every_truncation(filter_: Filter, case: Case) -> None:
    """The kernel takes no frame below 14 bytes for a test run."""
    frame = frame_of(case, TAGS["802.1Q"])[:200]
    for here in (world(**case.settings), _all_off()):
        filter_.set(here.settings)
        for length in range(14, len(frame)):
            assert filter_.agrees(frame[:length], decide(frame[:length], here)), (length, here.settings)


def test_nothing_listed(build: Build) -> None:
    """A filter that was just loaded: no sets, defaults."""
    defaults = World(Settings(), local=LOCAL)
    with Filter(build("filter/seen")) as fresh:
        fresh.set_local(LOCAL)
        for case in cases():
            frame = frame_of(case)
            decision = decide(frame, defaults)
            if decision.verdict != "XDP_TX":  # ptb_max_pps
                assert fresh.agrees(frame, decision), case.description


def test_every_counter_reason_and_switch_has_a_case(filter_: Filter) -> None:
    """Each counter and each reason of parser and filter has a case; each switch has a case with it off."""
    assert {counter for case in cases() for counter in case.counters} == (set(filter_.counter_names) - ELSEWHERE)
    reasons = {name for number, name in filter_.reasons.items() if number < 64}  # the fast path's begin
    assert {case.reason for case in cases()} == reasons - OF_L4 - {"REASON_VLAN_DEPTH", "REASON_NOT_IP"}
    off = {name for case in cases() for name, value in case.settings.items() if not value}
    assert off == {each.name for each in fields(Settings)}


def _all_off() -> World:
    return world(**{each.name: False for each in fields(Settings)})
