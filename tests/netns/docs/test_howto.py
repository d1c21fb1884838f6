"""The program of docs/subprogram.md: what it does to packets, and what a new version takes over."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ecbpf import lab
from ecbpf.build import compile_object
from ecbpf.chain.attach import attach, detach
from ecbpf.chain.counters import read
from ecbpf.chain.occupant import find_root
from ecbpf.chain.slots import pins_of, put
from ecbpf.chain.subprogram import FileSubprogram
from ecbpf.kernel import Globals, Map, Object, map_globals, open_map
from tests.support.pages import blocks_of

(SOURCE,) = (block.text for block in blocks_of("docs/subprogram.md") if block.title == "ttl.bpf.c")
SETTING, COUNTERS = "__u8 min_ttl SETTING = 5;", "COUNTERS(ttl_counters, ttl_counter);"

IP4, IP6 = "192.168.56.10", "fd00:56::10"
SLOT = 3


class Running(NamedTuple):
    """The how-to's program in slot 3 of the server in the lab."""

    object: str
    settings: Globals
    drops: Map

    def passes(self, address: str, ttl: int) -> bool:
        """Whether three pings are all answered, or none is; the counts of slot and map must agree."""
        before = self.counted()
        with lab.inside("client"):
            done = subprocess.run(
                ["ping", "-q", "-i", "0.01", "-c", "3", "-W", "0.3", "-t", str(ttl), address],
                check=False,
                capture_output=True,
                text=True,
            )
        answered = re.search(r"(\d) received", done.stdout)
        assert answered
        assert answered[1] in "03"
        in_slot, in_map = self.counted()
        assert in_slot - before[0] == in_map - before[1] == 3 - int(answered[1])
        return answered[1] == "3"

    def counted(self) -> tuple[int, int]:
        with lab.inside("server"):
            return read(find_root("eth0"), SLOT)["XDP_DROP"], sum(self.drops[0])


def opened(path: str) -> Running:
    folder = pins_of("eth0", SLOT)
    return Running(path, map_globals(open_map(f"{folder}/data:settings")), open_map(f"{folder}/ttl_counters"))


def compiled(folder: Path, source: str) -> str:
    (folder / "ttl.bpf.c").write_text(source)
    path = str(folder / "ttl.bpf.o")
    assert not compile_object(str(folder / "ttl.bpf.c"), path), "no warnings"
    return path


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    path = compiled(tmp_path, SOURCE)
    lab.up()
    with lab.inside("server"):
        attach("eth0")
        try:
            put("eth0", FileSubprogram(SLOT, path))
            yield opened(path)
        finally:
            detach("eth0")


@pytest.mark.parametrize("address", [IP4, IP6])
def test_the_minimum_is_the_documented_one(running: Running, address: str) -> None:
    assert [running.passes(address, ttl) for ttl in (1, 4, 5, 64)] == [False, False, True, True]
    running.settings.min_ttl = 64
    assert [running.passes(address, ttl) for ttl in (63, 64)] == [False, True]
    running.settings.min_ttl = 0
    assert running.passes(address, 1)


def test_replacement_keeps_counter_and_setting(running: Running) -> None:
    running.settings.min_ttl = 40
    assert not running.passes(IP4, 39)
    put("eth0", FileSubprogram(SLOT, running.object))
    after = opened(running.object)
    assert after.settings.min_ttl == 40
    assert after.counted() == (3, 3)
    assert not after.passes(IP6, 39)
    assert after.counted() == (6, 6)


def test_another_layout_keeps_settings_by_name_and_no_map(running: Running, tmp_path: Path) -> None:
    running.settings.min_ttl = 40
    assert not running.passes(IP4, 39)
    assert SETTING in SOURCE
    assert COUNTERS in SOURCE
    source = SOURCE.replace(SETTING, f"__u32 other SETTING = 7;\n{SETTING}")
    compiled(tmp_path, source.replace(COUNTERS, f"#undef COUNTER_ROOM\n#define COUNTER_ROOM 65\n{COUNTERS}"))
    put("eth0", FileSubprogram(SLOT, running.object))
    after = opened(running.object)
    assert (after.settings.min_ttl, after.settings.other) == (40, 7)
    assert after.counted() == (3, 0)


def test_a_broken_header_does_not_bypass_it(running: Running) -> None:
    """As the last section says: an IPv4 packet with TTL 1 and an invalid TCP header."""
    ethernet = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x00"
    ip = bytes([0x45, 0, 0, 40, 0, 0, 0, 0, 1, 6, 0, 0, 192, 168, 56, 20, 192, 168, 56, 10])
    with Object.open(running.object) as own:
        own.load()
        assert own.programs["xdp_ttl_prog"].test_run(ethernet + ip + bytes(20)).retval == 1  # XDP_DROP
        assert sum(own.maps["ttl_counters"][0]) == 1
