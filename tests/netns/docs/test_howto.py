"""docs/subprogram.md, done to the letter: its files, its commands, and what they print.

A fenced block ```` ```LANGUAGE title=FILE ```` is a file the reader saves; ```` ```console ```` is typed after
each ``$`` and shows what comes back. All commands run in one shell, in the order of the page.
"""

import os
import re
import subprocess
import sys
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

PAGE = (Path(__file__).parents[3] / "docs" / "subprogram.md").read_text()
BLOCKS = re.findall(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = {title: text for _, title, text in BLOCKS if title}
SESSION = "".join(text for language, _, text in BLOCKS if language == "console")
STEPS = [tuple(step.split("\n", 1)) for step in re.split(r"^\$ ", SESSION, flags=re.MULTILINE)[1:]]

IP4, IP6 = "192.168.56.10", "fd00:56::10"
SLOT = 3

# What no two runs share. MLD reports make the count of passed packets one of them.
CHANGING = (
    (r" +$", ""),
    (r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000", "DATE"),
    (r"time \d+ms", "time"),
    (r"^rtt .*", "rtt"),
    (r"ID \d+", "ID"),
    (r"^( +\d \| ) *\d+( \| \S+ +\| +\d+ \|) +\d+", r"\1ID\2 PASSED"),
    (r"XDP_PASS \d+", "XDP_PASS"),
)


def without_what_changes(text: str) -> str:
    for pattern, name in CHANGING:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return text


def save_files(folder: Path) -> None:
    for title, text in FILES.items():
        (folder / title).write_text(text)


def type_in(commands: list[str], folder: Path) -> list[str]:
    """Type each command into one shell; what it printed, one string each."""
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash"],
        input="".join(f"{command}\nprintf '\\0'\n" for command in commands),
        cwd=folder,
        env=os.environ | {"PATH": path, "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split("\0")[:-1]


def test_the_page_has_what_this_test_expects() -> None:
    assert set(FILES) == {"ttl.bpf.c", "ttl.py", "live.py"}
    assert len(STEPS) > 20
    assert {language for language, title, _ in BLOCKS if not title} == {"console"}


def test_every_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    save_files(tmp_path)
    commands = [command for command, _ in STEPS]
    for (command, expected), printed in zip(STEPS, type_in(commands, tmp_path), strict=True):
        assert without_what_changes(printed) == without_what_changes(expected), command


class Running(NamedTuple):
    """The how-to's program in slot 3 of the lab's server."""

    object: str
    settings: Globals
    drops: Map

    def passes(self, address: str, ttl: int) -> bool:
        """Whether three pings are all answered, or none is; the counts of slot and map must say the same."""
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
    return Running(path, map_globals(open_map(f"{folder}/data")), open_map(f"{folder}/ttl_drops"))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    save_files(tmp_path)
    path = str(tmp_path / "ttl.bpf.o")
    compile_object(str(tmp_path / "ttl.bpf.c"), path)
    lab.up()
    with lab.inside("server"):
        attach("eth0")
        try:
            put("eth0", FileSubprogram(SLOT, path))
            yield opened(path)
        finally:
            detach("eth0")


@pytest.mark.parametrize("address", [IP4, IP6])
def test_the_minimum_is_where_it_is_said(running: Running, address: str) -> None:
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
    source = FILES["ttl.bpf.c"].replace("__u8 min_ttl = 5;", "__u32 other = 7;\n__u8 min_ttl = 5;")
    (tmp_path / "ttl.bpf.c").write_text(source.replace("max_entries, 1", "max_entries, 2"))
    compile_object(str(tmp_path / "ttl.bpf.c"), running.object)
    put("eth0", FileSubprogram(SLOT, running.object))
    after = opened(running.object)
    assert (after.settings.min_ttl, after.settings.other) == (40, 7)
    assert after.counted() == (3, 0)


def test_a_broken_header_is_no_way_around_it(running: Running) -> None:
    """As the last section says: an IPv4 packet, TTL 1, with a TCP header that makes no sense."""
    ethernet = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x00"
    ip = bytes([0x45, 0, 0, 40, 0, 0, 0, 0, 1, 6, 0, 0, 192, 168, 56, 20, 192, 168, 56, 10])
    with Object.open(running.object) as own:
        own.load()
        assert own.programs["xdp_ttl_prog"].test_run(ethernet + ip + bytes(20)).retval == 1  # XDP_DROP
        assert sum(own.maps["ttl_drops"][0]) == 1
