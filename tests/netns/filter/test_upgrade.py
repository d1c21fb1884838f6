"""Older and newer versions of the filter take over each other's lists, settings and counts."""

import io
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecbpf.build import compile_object
from ecbpf.chain.attach import attach
from ecbpf.chain.occupant import find_root
from ecbpf.chain.slots import put
from ecbpf.errors import DataError, EcbpfError
from ecbpf.filter.batch import batch_of
from ecbpf.filter.change import list_prefixes
from ecbpf.filter.lists import ALLOW, DROP, Lists
from ecbpf.filter.running import find_filter
from ecbpf.filter.subprogram import Filter
from ecbpf.kernel.uapi import XDP_DROP, XDP_PASS
from tests.support.frames import FLOOD, FLOOD6
from tests.support.versions import Edit, Version

GATE = Edit("filter/ip6_set.h", "IP6_GATE_BITS = 22", "IP6_GATE_BITS = 21")
FORMAT = Edit("filter/layout.h", "FILTER_FORMAT = 1", "FILTER_FORMAT = 2")
SETTINGS = Edit(
    "filter/settings.h",
    "bool frags_drop SETTING",
    "__u32 of_tomorrow SETTING = 7;\nbool frags_drop SETTING",
)
COUNTER = Edit(
    "filter/counters.h",
    "FILTER_COUNTERS,\n};",
    "FILTER_OF_TOMORROW,\n\tFILTER_COUNTERS,\n};",
)
NO_SETTING = Edit("filter/settings.h", "bool ip_evil_drop SETTING = true;", "#define ip_evil_drop true")


@pytest.fixture
def version(tmp_path: Path) -> Callable[..., str]:
    """The object of a filter with some edits."""

    def make(*edits: Edit) -> str:
        return Version(tmp_path / f"version{len(os.listdir(tmp_path))}", *edits).built("filter")

    return make


@pytest.fixture
def near(near: str) -> str:
    """An interface with a filter that drops FLOOD and FLOOD6, but not their neighbours."""
    attach(near)
    put(near, Filter({"ptb_max_pps": 55, "frags_drop": False}))
    add(near, "192.0.2.0/24", "2001:db8::/32")
    list_prefixes([near], ALLOW, batch_of(["192.0.2.3", "2001:db8::3"], [""] * 2, time=1))
    return near


def add(interface: str, *prefixes: str) -> None:
    list_prefixes([interface], DROP, batch_of(list(prefixes), ["a tag"] * len(prefixes), time=1))


def verdicts(interface: str) -> list[int]:
    """The verdicts for FLOOD, FLOOD6, and the same packets from the allowed neighbours."""
    program = find_root(interface).program
    neighbour = FLOOD[:29] + b"\x03" + FLOOD[30:]
    neighbour6 = FLOOD6[:37] + b"\x03" + FLOOD6[38:]
    return [program.test_run(frame).retval for frame in (FLOOD, FLOOD6, neighbour, neighbour6)]


RIGHT = [XDP_DROP, XDP_DROP, XDP_PASS, XDP_PASS]


@pytest.mark.parametrize("edits", [[GATE], [SETTINGS, COUNTER], [GATE, SETTINGS, COUNTER], []], ids=str)
def test_there_and_back(near: str, version: Callable[..., str], edits: list[Edit]) -> None:
    assert verdicts(near) == RIGHT
    for turn, filename in enumerate((version(*edits), "", ""), 1):
        put(near, Filter(filename=filename))
        assert verdicts(near) == RIGHT
        running = find_filter(near)
        assert running.settings["ptb_max_pps"] == 55
        assert running.settings["frags_drop"] is False
        assert running.settings["ip_evil_drop"] is True
        assert running.settings.get("of_tomorrow", 7) == 7
        assert running.counters()["ip_drop_count"] == running.counters()["ip6_drop_count"] == turn + 1
        add(near, f"10.0.{turn}.0/24", f"2001:db9:{turn}::/48")
        assert verdicts(near) == RIGHT
        for counter in ("ip_drop_count", "ip6_drop_count"):
            assert running.counters()[counter] == turn + 2
        running.clear()
        for _ in range(turn + 1):
            verdicts(near)
    assert running.sets.read().count(DROP) == 8


def test_a_format_that_this_version_cannot_build(near: str, version: Callable[..., str]) -> None:
    filename = version(FORMAT)
    before = find_root(near).maps["xdp_program_arr"][2]
    with pytest.raises(EcbpfError, match="the filter: is of another version"):
        put(near, Filter(filename=filename))
    assert find_root(near).maps["xdp_program_arr"][2] == before
    assert verdicts(near) == RIGHT


def test_a_setting_that_the_program_does_not_have(near: str, version: Callable[..., str]) -> None:
    with pytest.raises(EcbpfError, match="ip_evil_drop: the running version of filter does not have this setting"):
        put(near, Filter({"ip_evil_drop": False, "frags_drop": True}, version(NO_SETTING)))
    assert find_filter(near).settings["frags_drop"] is False, "all or nothing"


def test_an_object_that_is_not_a_filter(near: str, tmp_path: Path) -> None:
    source = tmp_path / "mine.bpf.c"
    source.write_text(
        '#include "ecbpf/chain.h"\n'
        'SEC("xdp") int xdp_filter_prog(struct xdp_md *ctx) { return chain_pass(ctx); }\n'
        'char _license[] SEC("license") = "GPL";\n'
    )
    compile_object(str(source), str(tmp_path / "mine.bpf.o"))
    with pytest.raises(DataError, match=re.escape("not an object of the filter: it lacks filter_ip4, filter_ip6")):
        put(near, Filter(filename=str(tmp_path / "mine.bpf.o")))
    assert verdicts(near) == RIGHT


def test_lists_of_another_version() -> None:
    """Members in another order, and one more that this version does not know."""
    lists = Lists.empty().added(DROP, batch_of(["192.0.2.0/24"], ["a tag"], time=5).rows, ["", "a tag"])
    ours = lists.rows[DROP, 4]
    theirs = np.zeros(
        1, [("length", "u1"), ("tag", "u8"), ("more", "u4"), ("lower", "u8"), ("time", "i8"), ("upper", "u8")]
    )
    for name in ours.dtype.names or ():
        theirs[name] = ours[name]
    file = io.BytesIO()
    lists._replace(rows=lists.rows | {(DROP, 4): theirs}).write(file)
    file.seek(0)
    read = Lists.read(file)
    assert read.rows[DROP, 4].tolist() == ours.tolist()
    assert read.tag(1) == "a tag"

    file = io.BytesIO()
    lists._replace(rows=lists.rows | {(DROP, 4): np.zeros(1, [("upper", "u8")])}).write(file)
    file.seek(0)
    with pytest.raises(DataError, match="were written by another version"):
        Lists.read(file)
