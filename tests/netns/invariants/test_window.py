"""No moment without protection: programs are replaced between two packets."""

import os

import pytest

from ecbpf.chain.attach import attach, attach_nop
from ecbpf.chain.counters import read
from ecbpf.chain.occupant import find_root
from ecbpf.chain.slots import put
from ecbpf.kernel.object import Object
from ecbpf.kernel.uapi import XDP_DROP
from ecbpf.kernel.xdp import NATIVE, create_link
from ecbpf.netdev.interfaces import index_of
from tests.support.flood import Flood
from tests.support.objects import Build
from tests.support.pair import Pair
from tests.support.shell import sh
from tests.support.slots import Verdict
from tests.support.status import root_status

REPLACEMENTS = int(os.environ.get("ECBPF_REPLACEMENTS", "100"))


def test_the_flood_would_show_a_leak(pair: Pair, flood: Flood) -> None:
    """Without a dropping subprogram the stack gets every frame: the check can fail."""
    attach(pair.near)
    with flood:
        while flood.sent < 1000:
            pass
    assert flood.leaked() == flood.on_the_wire


def test_a_hundred_replacements_of_root_and_subprogram_let_nothing_through(
    pair: Pair, flood: Flood, build: Build
) -> None:
    attach(pair.near)
    put(pair.near, Verdict(2, build("chain/verdicts"), XDP_DROP))
    with flood:
        for _ in range(REPLACEMENTS):
            attach(pair.near)
            put(pair.near, Verdict(2, build("chain/verdicts"), XDP_DROP))
    assert flood.leaked() == 0
    assert flood.sent > 100 * REPLACEMENTS
    state = root_status(pair.near)
    assert sum(state.counts.values()) == flood.on_the_wire, "no frame lost, none counted twice"
    assert read(find_root(pair.near), 2)["XDP_DROP"] == flood.on_the_wire


@pytest.mark.parametrize("how", ["link", "netlink"])
def test_another_program_is_replaced_by_force_without_a_gap(
    pair: Pair, flood: Flood, build: Build, how: str
) -> None:
    """Its program drops, ours passes: every frame up to one moment is dropped, and none before it gets through.

    In other words: the stack gets exactly the frames that the root counts as passed.
    """
    link = None
    if how == "link":
        with Object.open(build("chain/stranger")) as stranger:
            stranger.load()
            link = create_link(index_of(pair.near), stranger.programs["xdp_stranger"], NATIVE)
    else:
        sh(f"ip link set {pair.near} xdpdrv obj {build('chain/stranger')} sec xdp")
    with flood:
        while flood.sent < 1000:
            pass
        attach(pair.near, force=True)
        marker = flood.sent
        while flood.sent < marker + 1000:
            pass
    passed = sum(root_status(pair.near).counts.values())
    assert 0 < passed < flood.sent
    assert flood.leaked() == passed
    if link is not None:
        link.close()


def test_nop_keeps_the_interface_in_xdp_mode(pair: Pair, flood: Flood) -> None:
    attach(pair.near)
    with flood:
        for _ in range(20):
            attach_nop(pair.near)
            attach(pair.near)
    assert flood.leaked() == flood.on_the_wire, "a program came and went, and no frame was lost"
