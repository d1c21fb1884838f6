"""Pages that are one session at a terminal: their files, their commands, and what those print.

A file is saved when the page shows it. All commands of a page run in one shell, in the order of the page.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import SESSIONS, blocks_of, typings

# What differs from run to run; MLD reports change the count of passed packets.
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


def script_of(page: str) -> str:
    """The input of the shell; a NUL after each command separates their outputs."""
    script = ""
    for block in blocks_of(page):
        if block.title:
            script += f"cat >{block.title} <<'END OF FILE'\n{block.text}END OF FILE\n"
        elif block.language == "console":
            script += "".join(f"{typing.command}\nprintf '\\0'\n" for typing in typings(block))
    return script


@pytest.mark.parametrize("page", SESSIONS)
def test_every_command_prints_what_the_page_shows(tmp_path: Path, page: str) -> None:
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash"],
        input=script_of(page),
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=True,
    )
    steps = [typing for block in blocks_of(page) if block.language == "console" for typing in typings(block)]
    assert len(steps) > 8
    for (command, expected), printed in zip(steps, done.stdout.split("\0")[:-1], strict=True):
        assert without_what_changes(printed) == without_what_changes(expected), command


@pytest.mark.parametrize("page", SESSIONS)
def test_the_files_of_the_page_pass_mypy(tmp_path: Path, page: str) -> None:
    """So the editor and mypy help the reader, as the page says."""
    for block in blocks_of(page):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
            if block.title.endswith(".bpf.c"):
                words = ["-m", "ecbpf.build", block.title, "--skeleton"]
                subprocess.run([sys.executable, *words], cwd=tmp_path, check=True)
    files = sorted(path.name for path in tmp_path.glob("*.py"))
    words = ["-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), *files]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
