"""README.md and docs/: every command works, and prints the lines that the page shows for it.

`ecbpf lab` runs as shown; commands for a director run on the lab's server, so that this machine's interfaces are
left alone. Pages that are one session have their own test, test_sessions.py.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecbpf import lab
from tests.support.pages import CHECKOUT, SESSIONS, Block, blocks_of, typings

PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (CHECKOUT / "docs").glob("*.md"))]

# These run until the reader stops them.
ENDLESS = re.compile(r"\becbpf trace\b|--watch\b|\bserve\b|\bstats \d")
ENOUGH = 3  # seconds
TIMED_OUT = 124  # timeout(1)

# A block with one of these is for a kernel with IPVS, or for a guest.
ELSEWHERE = re.compile(r"\bipvsadm\b|\blab up director\b|-m tests\.vm\b")

# What differs from run to run.
CHANGING = (
    (r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000", "DATE"),
    (r"^ *\S+-\d+ +\[\d+\] \S+ +[\d.]+: ", "TRACE: "),
    (r"\btime \d+ms", "time"),
    (r"\bID \d+", "ID"),
    (r"\bXDP_PASS \d+", "XDP_PASS"),
    (r"\| +\d+(?= |$)", "| N"),
    (r" +", " "),
    (r" +$", ""),
)


def lines_of(text: str) -> list[str]:
    """The lines without what changes from run to run."""
    for pattern, name in CHANGING:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return [line for line in text.splitlines() if line.strip()]


def run_of(page: str) -> list[Block]:
    """The blocks of a page that can run here."""
    blocks = [block for block in blocks_of(page) if block.language == "console" and block.is_run]
    return [block for block in blocks if not ELSEWHERE.search(block.text)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The reader's folder, with the files that pages mention."""
    prefixes = (f"{10 + (n >> 16)}.{n >> 8 & 255}.{n & 255}.1\n" for n in range(1_000_000))
    (tmp_path / "blocklist.txt").write_text("".join(prefixes))
    return tmp_path


@pytest.fixture
def server() -> Iterator[None]:
    lab.up()
    yield
    lab.down()


def type_in(command: str, folder: Path) -> tuple[int, str]:
    """Run one command of a page; returns its exit status and output."""
    words = ["bash", "-c", command]
    if ENDLESS.search(command):
        words = ["timeout", str(ENOUGH), *words]
    if not command.startswith("ecbpf lab "):
        words = ["ecbpf", "lab", "exec", "server", "--", *words]
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    done = subprocess.run(
        words,
        cwd=folder,
        env=os.environ | {"PATH": path, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("page", [page for page in PAGES if page not in SESSIONS and run_of(page)])
def test_every_command_of_a_page_prints_what_it_shows(server: None, folder: Path, page: str) -> None:
    for block in run_of(page):
        for command, shown in typings(block):
            status, printed = type_in(command, folder)
            if "100% packet loss" not in shown:  # ping reports it by its status too
                assert status in ((0, TIMED_OUT) if ENDLESS.search(command) else (0,)), (command, printed)
            left = iter(lines_of(printed))
            for line in lines_of(shown):
                if line.strip() != "…":  # stands for omitted lines
                    assert line in left, f"{command}\nprints no {line!r}:\n{printed}"


def test_a_line_that_is_not_printed_is_found() -> None:
    left = iter(lines_of("one  1\nID 7\n"))
    assert [line in left for line in lines_of("one 1\nID 9\nthree\n")] == [True, True, False]
