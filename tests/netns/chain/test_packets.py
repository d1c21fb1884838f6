"""What the root array does with packets: tables of test runs, and counts of real traffic."""

from typing import Any

import pytest
from scapy.packet import Packet

from ecbpf.chain.attach import attach
from ecbpf.chain.contents import program_in
from ecbpf.chain.counters import ROOT, VERDICTS, clear, read
from ecbpf.chain.occupant import Occupant, find_root, maps_of
from ecbpf.chain.slots import empty, put
from ecbpf.chain.subprogram import FileSubprogram
from ecbpf.kernel.globals import map_globals
from ecbpf.kernel.object import Object
from ecbpf.kernel.uapi import XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_REDIRECT, XDP_TX
from tests.support.cpus import on_one_cpu
from tests.support.frames import CUT_SHORT, NOT_IP, THROUGH_SLOTS, packet_socket, refused
from tests.support.objects import Build
from tests.support.pair import Pair
from tests.support.slots import Verdict, slot_ids
from tests.support.status import root_status


@pytest.fixture
def near(near: str) -> str:
    """An interface with a root array; the test runs in its namespace."""
    attach(near)
    return near


def run(root: Occupant, packet: bytes) -> int:
    return root.program.test_run(packet).retval


def counted(root: Occupant, row: int) -> dict[str, int]:
    return {verdict: count for verdict, count in read(root, row).items() if count}


@pytest.mark.parametrize("packet", THROUGH_SLOTS.values(), ids=THROUGH_SLOTS.keys())
def test_ip_goes_through_the_slots(near: str, build: Build, packet: Packet) -> None:
    put(near, Verdict(2, build("chain/verdicts"), XDP_DROP))
    root = find_root(near)
    assert run(root, bytes(packet)) == XDP_DROP
    assert counted(root, 2) == {"XDP_DROP": 1}
    assert counted(root, ROOT) == {}


@pytest.mark.parametrize("packet", NOT_IP.values(), ids=NOT_IP.keys())
def test_non_ip_packets_pass_at_the_root(near: str, build: Build, packet: Packet) -> None:
    put(near, Verdict(2, build("chain/verdicts"), XDP_DROP))
    root = find_root(near)
    assert run(root, bytes(packet)) == XDP_PASS
    assert counted(root, ROOT) == {"XDP_PASS": 1}
    assert counted(root, 2) == {}


@pytest.mark.parametrize("frame", CUT_SHORT.values(), ids=CUT_SHORT.keys())
def test_truncated_packets_are_aborted_at_the_root(near: str, build: Build, frame: bytes) -> None:
    put(near, Verdict(2, build("chain/verdicts"), XDP_PASS))
    root = find_root(near)
    assert run(root, frame) == XDP_ABORTED
    assert counted(root, ROOT) == {"XDP_ABORTED": 1}
    assert counted(root, 2) == {}


@pytest.mark.parametrize(
    ("verdict", "returned", "column"),
    [
        (XDP_ABORTED, XDP_ABORTED, "XDP_ABORTED"),
        (XDP_DROP, XDP_DROP, "XDP_DROP"),
        (XDP_PASS, XDP_PASS, "XDP_PASS"),
        (XDP_TX, XDP_TX, "XDP_TX"),
        (XDP_REDIRECT, XDP_REDIRECT, "XDP_REDIRECT"),
        (5, XDP_ABORTED, "XDP_INVALID_ACTION"),
        (0xFFFFFFFF, XDP_ABORTED, "XDP_INVALID_ACTION"),
    ],
)
@pytest.mark.parametrize("slot", range(8))
def test_each_verdict_is_counted_where_it_fell(
    near: str, build: Build, slot: int, verdict: int, returned: int, column: str
) -> None:
    put(near, Verdict(slot, build("chain/verdicts"), verdict))
    root = find_root(near)
    assert run(root, bytes(THROUGH_SLOTS["IPv4 UDP"])) == returned
    assert {row: counted(root, row) for row in range(9) if counted(root, row)} == {slot: {column: 1}}


def test_empty_slots_leave_the_verdict_to_the_root(near: str) -> None:
    root = find_root(near)
    assert run(root, bytes(THROUGH_SLOTS["IPv6 UDP"])) == XDP_PASS
    assert counted(root, ROOT) == {"XDP_PASS": 1}


def test_only_the_subprogram_that_ends_the_walk_counts(near: str, build: Build) -> None:
    for slot in (0, 3, 4, 7):
        put(near, Verdict(slot, build("chain/verdicts")))
    root = find_root(near)
    for _ in range(10):
        assert run(root, bytes(THROUGH_SLOTS["IPv4 UDP"])) == XDP_PASS
    assert {row: counted(root, row) for row in range(9) if counted(root, row)} == {7: {"XDP_PASS": 10}}


def test_all_eight_slots_are_walked_in_order(near: str, build: Build) -> None:
    for slot in reversed(range(8)):
        put(near, Verdict(slot, build("chain/verdicts")))
    root = find_root(near)
    assert run(root, bytes(THROUGH_SLOTS["IPv4 UDP"])) == XDP_PASS
    put(near, Verdict(5, build("chain/verdicts"), XDP_DROP))
    _set_verdict(near, 5, XDP_DROP)
    assert run(root, bytes(THROUGH_SLOTS["IPv4 UDP"])) == XDP_DROP
    empty(near, 5)
    assert run(root, bytes(THROUGH_SLOTS["IPv4 UDP"])) == XDP_PASS
    assert {row: counted(root, row) for row in range(9) if counted(root, row)} == {
        5: {"XDP_DROP": 1},
        7: {"XDP_PASS": 2},
    }


def _set_verdict(interface: str, slot: int, verdict: int) -> None:
    _live_globals(interface, slot).verdict = verdict


def _live_globals(interface: str, slot: int) -> Any:
    program = program_in(find_root(interface), slot)
    assert program is not None
    return map_globals(maps_of(program)[".data"])


def test_a_replacement_keeps_maps_globals_counters_and_the_other_slots(near: str, build: Build) -> None:
    put(near, Verdict(3, build("chain/verdicts")))
    put(near, Verdict(6, build("chain/verdicts")))
    root = find_root(near)
    run(root, bytes(THROUGH_SLOTS["IPv4 UDP"]))
    _set_verdict(near, 3, XDP_TX)
    before = slot_ids(root)

    put(near, Verdict(3, build("chain/verdicts"), XDP_DROP))  # what it starts with is not what it runs with now

    after = slot_ids(root)
    assert before[3] != after[3]
    assert after[6] == before[6]
    assert run(root, bytes(THROUGH_SLOTS["IPv4 UDP"])) == XDP_TX
    assert counted(root, 6) == {"XDP_PASS": 1}
    assert counted(root, 3) == {"XDP_TX": 1}
    assert _live_globals(near, 3).verdict == XDP_TX

    attach(near)  # the root in place
    replaced = find_root(near)
    assert replaced.program.id != root.program.id
    assert slot_ids(replaced) == after
    assert run(replaced, bytes(THROUGH_SLOTS["IPv4 UDP"])) == XDP_TX
    assert counted(replaced, 3) == {"XDP_TX": 2}


def test_an_emptied_slot_keeps_its_counts_so_that_the_totals_stay_true(near: str, build: Build) -> None:
    put(near, Verdict(3, build("chain/verdicts"), XDP_DROP))
    run(find_root(near), bytes(THROUGH_SLOTS["IPv4 UDP"]))
    empty(near, 3)
    assert root_status(near).counts["XDP_DROP"] == 1


def test_clear_sets_every_count_to_zero(near: str, build: Build) -> None:
    put(near, Verdict(3, build("chain/verdicts"), XDP_DROP))
    root = find_root(near)
    run(root, bytes(THROUGH_SLOTS["IPv4 UDP"]))
    run(root, bytes(NOT_IP["ARP"]))
    clear(root)
    assert root_status(near).counts == dict.fromkeys(VERDICTS, 0)


def test_counts_are_64_bits_wide(near: str) -> None:
    stats = find_root(near).maps["xdp_stats"]
    rows = stats[ROOT]
    rows[0].verdict[XDP_PASS] = 1 << 60
    stats[ROOT] = rows
    assert root_status(near).counts["XDP_PASS"] == 1 << 60


def test_real_traffic_adds_up_to_the_frames_that_were_sent(pair: Pair, near: str, build: Build) -> None:
    put(near, FileSubprogram(4, build("chain/verdicts")))
    sent = [*(bytes(p) for p in THROUGH_SLOTS.values()), *(bytes(p) for p in NOT_IP.values())] * 50
    with packet_socket(pair.far) as wire:
        for frame in sent:
            wire.send(frame)
    state = root_status(near)
    assert refused(pair.far) == 0
    assert sum(state.counts.values()) == len(sent)
    assert state.own_counts["XDP_PASS"] == 50 * len(NOT_IP)
    assert state.slots[4].counts["XDP_PASS"] == 50 * len(THROUGH_SLOTS)


def test_the_capture_hook_sees_the_verdict_it_is_asked_for(near: str, build: Build) -> None:
    """A program at hook[XDP_DROP] (here one that answers XDP_TX) gets the dropped packets and no others."""
    root = find_root(near)
    put(near, Verdict(2, build("chain/verdicts"), XDP_DROP))
    with Object.open(build("chain/hook")) as hook:
        hook.load()
        root.maps["xdpcap_hook"][XDP_DROP] = hook.programs["answer_tx"]
        assert run(root, bytes(THROUGH_SLOTS["IPv4 UDP"])) == XDP_TX
        assert run(root, bytes(NOT_IP["ARP"])) == XDP_PASS
        assert counted(root, 2) == {"XDP_DROP": 1}


def pick_after(root: Occupant, row: int, packets: int) -> None:
    """Every CPU picks the `packets`-th packet from now on whose walk ends in that row."""
    rows = root.maps["xdp_stats"][row]
    for cpu in rows:
        cpu.countdown = packets
    root.maps["xdp_stats"][row] = rows


@pytest.mark.parametrize(
    ("packet", "row", "story"),
    [
        (THROUGH_SLOTS["IPv4 UDP"], 2, (2, XDP_DROP, 0x8000)),
        (NOT_IP["ARP"], ROOT, (-1, XDP_PASS, 1)),
    ],
    ids=["a subprogram", "the root itself"],
)
def test_the_sample_hook_gets_the_picked_packet_and_its_description(
    near: str, build: Build, packet: Packet, row: int, story: tuple[int, int, int]
) -> None:
    root = find_root(near)
    put(near, Verdict(2, build("chain/verdicts"), XDP_DROP))
    with Object.open(build("chain/hook")) as hook, on_one_cpu():
        hook.load()
        root.maps["xdp_sample_hook"][0] = hook.programs["answer_tx"]
        pick_after(root, row, 3)
        verdicts = [run(root, bytes(packet)) for _ in range(6)]
    assert verdicts == [story[1], story[1], XDP_TX, story[1], story[1], story[1]]
    assert story in {(cpu.slot, cpu.verdict, cpu.reason) for cpu in root.maps["xdp_sample"][0]}


def test_clear_leaves_the_countdown_alone(near: str) -> None:
    root = find_root(near)
    pick_after(root, 2, 1000)
    clear(root)
    assert {cpu.countdown for cpu in root.maps["xdp_stats"][2]} == {1000}


def test_a_hint_left_by_a_killed_command_is_repaired(near: str, build: Build) -> None:
    put(near, Verdict(2, build("chain/verdicts"), XDP_DROP))
    hint = map_globals(find_root(near).maps[".data.chain"])
    hint.chain_occupied = 0xFF
    assert run(find_root(near), bytes(THROUGH_SLOTS["IPv4 UDP"])) == XDP_DROP, "a hint decides nothing"
    attach(near)
    assert hint.chain_occupied == 1 << 2
