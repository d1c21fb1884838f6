"""The parts of the benchmark that only calculate."""

import json
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from bench.harness import (
    Row,
    Sample,
    Spread,
    figures,
    installed,
    measure,
    over_limit,
    report,
    select,
    spread,
    table,
)
from bench.machine import busy, busy_share, machine
from bench.packets import PACKETS
from bench.prefixes import SOURCES, common, hits, is_in, misses, near_misses, prefixes
from bench.processes import peak


def constant(value: float) -> Callable[[ExitStack], Callable[[], float]]:
    return lambda _stack: lambda: value


FLOOR = Row("walk", "floor", "nothing", constant(10))
OURS = Row("walk", "ours", "our way", constant(14), "floor", limit=3)
PEER = Row("walk", "theirs", "their way", constant(22), "floor", peer_of="ours")
EIGHT = Row("walk", "eight", "each of eight", constant(30), "ours", share=8, limit=4)
FLOOR_PROCESS = Row("process", "floor", "nothing", constant(2e7))
PROCESS = Row("process", "status", "a command", constant(7e7), "floor", ratio=True, limit=4)
ROWS = [FLOOR, OURS, PEER, EIGHT, FLOOR_PROCESS, PROCESS]
SAMPLES = {
    "walk/floor": [Sample(10, 0), Sample(20, 0), Sample(10, 0)],
    "walk/ours": [Sample(14, 10), Sample(24, 20), Sample(13, 10)],
    "walk/theirs": [Sample(22, 10), Sample(32, 20), Sample(22, 10)],
    "walk/eight": [Sample(30, 14), Sample(40, 24), Sample(29, 13)],
    "process/floor": [Sample(2e7, 0)] * 3,
    "process/status": [Sample(7e7, 2e7), Sample(7e7, 2e7), Sample(9e7, 2e7)],
}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], Spread(5, 5, 5)),
        ([1.0, 2.0], Spread(1.5, 1.25, 1.75)),
        ([5.0, 1.0, 3.0, 2.0, 4.0], Spread(3, 2, 4)),
    ],
)
def test_spread(values: list[float], expected: Spread) -> None:
    assert spread(values) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ROWS),
        ("walk", [FLOOR, OURS, PEER, EIGHT]),
        ("walk/ours", [FLOOR, OURS]),
        ("walk/eight", [FLOOR, OURS, EIGHT]),
        ("walk/th*", [FLOOR, OURS, PEER]),
        ("nothing", []),
    ],
)
def test_select_takes_what_a_row_is_compared_with(pattern: str, expected: list[Row]) -> None:
    assert select(ROWS, pattern) == expected


def test_figures_compare_with_the_floor_just_before() -> None:
    floor, ours, peer, eight, _, process = figures(ROWS, SAMPLES)
    assert floor.above is None
    assert floor.measured.median == 10
    assert ours.above == Spread(4, 3.5, 4)
    assert peer.times == 3
    assert eight.above == Spread(2, 2, 2)
    assert process.above is not None
    assert process.above.median == 3.5
    assert floor.quiet is None
    assert ours.quiet == pytest.approx(13.2 - 10)
    assert process.quiet == 3.5


def test_over_limit_goes_by_the_median() -> None:
    assert [figure.row.name for figure in over_limit(figures(ROWS, SAMPLES))] == ["ours"]


def test_table() -> None:
    lines = table(figures(ROWS, SAMPLES)).splitlines()
    cells = [line.split() for line in lines]
    assert len(lines) == 1 + len(ROWS)
    assert "(floor)" in cells[1]
    assert cells[2][2:9] == ["4.00", "ns", "3.50", "..", "4.00", "3.20", "3"]
    assert " OVER " in lines[2]
    assert " ok " in lines[4]
    assert "peer: 3.0 times ours" in lines[3]
    assert cells[4][2:9] == ["2.00", "ns", "2.00", "..", "2.00", "2.00", "4"]
    assert "70.0 ms" in lines[6]
    assert "3.50 x" in lines[6]


def test_report_is_json_with_every_row() -> None:
    text = json.dumps(report(machine(), 3, 1, figures(ROWS, SAMPLES)))
    rows = json.loads(text)["rows"]
    assert [f"{row['subject']}/{row['name']}" for row in rows] == [row.id for row in ROWS]
    assert rows[0]["above"] is None
    assert rows[1]["above"] == {"median": 4, "low": 3.5, "high": 4, "unit": "ns"}
    assert rows[1]["over"] is True
    assert rows[2]["times"] == 3
    assert rows[5]["above"]["unit"] == "x"
    assert rows[5]["measured"] == {"median": 7e7, "low": 7e7, "high": 8e7, "unit": "ns"}


def test_machine_says_what_numbers_depend_on() -> None:
    here = machine()
    assert {"CPU", "CPUs", "governor", "kernel", "JIT", "Python", "libbpf", "load"} == here.keys()
    assert all(here.values())


def test_busy_share_counts_the_other_cpus() -> None:
    assert busy_share([(100, 200), (0, 0)], [(190, 300), (50, 100)]) == "30%"
    assert busy_share([], []) == "none"
    assert all(0 <= idle <= ticks for idle, ticks in busy())


def test_measure_takes_every_row_once_per_round_and_cleans_up() -> None:
    calls: list[str] = []

    def row(name: str) -> Row:
        def setup(stack: ExitStack) -> Callable[[], float]:
            stack.callback(calls.append, f"end {name}")

            def once() -> float:
                calls.append(name)
                return 1.0

            return once

        return Row("s", name, "", setup)

    rows = [row(name) for name in "abcdef"]
    samples = measure(rows, rounds=4, seed=1)
    assert all(len(values) == 4 for values in samples.values())
    orders = ["".join(calls[at : at + 6]) for at in range(0, 30, 6)]
    assert all(sorted(order) == list("abcdef") for order in orders)
    assert len(set(orders)) > 1
    assert sorted(calls[30:]) == [f"end {name}" for name in "abcdef"]


def test_measure_respects_the_rounds_of_a_row() -> None:
    few = Row("s", "few", "", constant(1), limit=1, rounds=2)
    samples = measure([few, Row("s", "all", "", constant(1))], rounds=5, seed=1)
    assert {name: len(each) for name, each in samples.items()} == {"s/few": 2, "s/all": 5}


def test_a_limit_needs_no_floor() -> None:
    rows = [
        Row("s", "seconds", "", constant(7), unit="s", limit=6),
        Row("s", "least", "", constant(2), "seconds", ratio=True, least=3),
    ]
    slow, few = figures(rows, {"s/seconds": [Sample(7, 0)], "s/least": [Sample(14, 7)]})
    assert slow.above == Spread(7, 7, 7)
    assert few.above == Spread(2, 2, 2)
    assert over_limit([slow, few]) == [slow, few]
    lines = table([slow, few]).splitlines()
    assert "7.00 s" in lines[1]
    assert " OVER " in lines[1]
    assert " >= 3  BELOW " in lines[2]


def test_rows_whose_tool_is_missing_are_left_out() -> None:
    there = Row("s", "there", "", constant(1), needs=(__file__, "here"))
    missing = Row("s", "missing", "", constant(1), needs=("/no/such/file", "nowhere"))
    assert installed([FLOOR, there, missing]) == ([FLOOR, there], [missing])


@pytest.mark.parametrize("family", [4, 6])
def test_hits_are_listed_and_misses_are_not(family: int) -> None:
    rows = prefixes(family, 1000)
    assert len(rows) == 1000
    for make, listed in ((hits, True), (common, True), (near_misses, False), (misses, False)):
        sources = make(family, 1000)
        assert len(sources) == SOURCES
        assert (is_in(rows, sources) == listed).all()


def test_peak_is_that_of_the_child_process() -> None:
    large = bytearray(128 << 20)
    assert 1 < peak(["/bin/true"]) < 64 < len(large) >> 20


def test_measure_takes_the_floor_right_before_the_row() -> None:
    calls: list[str] = []

    def setup(name: str) -> Callable[[ExitStack], Callable[[], float]]:
        def once() -> float:
            calls.append(name)
            return float(len(calls))

        return lambda _stack: once

    rows = [Row("s", "floor", "", setup("floor")), Row("s", "a", "", setup("a"), "floor")]
    samples = measure(rows, rounds=5, seed=1)
    assert len(calls) == 2 + 5 * 3
    assert all(sample.value - sample.floor == 1 for sample in samples["s/a"])
    assert all(calls[at - 1] == "floor" for at, name in enumerate(calls) if name == "a")


def test_measure_cleans_up_after_a_row_that_fails() -> None:
    ended: list[bool] = []

    def setup(stack: ExitStack) -> Callable[[], float]:
        stack.callback(ended.append, True)
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        measure([Row("s", "r", "", setup)], rounds=1, seed=1)
    assert ended == [True]


@pytest.mark.parametrize(("name", "ethertype"), [("arp", 0x0806), ("ipv4-udp", 0x0800), ("ipv6-tcp", 0x86DD)])
def test_packets_are_whole_frames(name: str, ethertype: int) -> None:
    assert PACKETS[name][12:14] == ethertype.to_bytes(2)
    assert all(len(frame) >= 60 for frame in PACKETS.values())
