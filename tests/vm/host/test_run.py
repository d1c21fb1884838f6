"""The command line that runs a command in a guest: its output, and what it leaves behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "tests.vm")


def started_by(process: int) -> list[int]:
    """The processes below `process`."""
    shown = subprocess.run(
        ["ps", "--ppid", str(process), "-o", "pid="], check=False, capture_output=True, text=True
    )
    return [int(pid) for pid in shown.stdout.split()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files of a run; none may be left after it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.glob("ecbpf-*")) == []


def test_a_command_behaves_as_if_run_here(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    share = tmp_path_factory.mktemp("share")
    (share / "in").write_text("given")
    kept = folder / "kept"
    kept.write_text("as it was")
    script = """
        pwd; cat /run/share/in - >/run/share/out; echo '*' "$1" >&2; echo gone >"$2"
        echo soon >/dev/stdout; sleep 1; echo later; sleep 60 & exit 7"""
    words = ("--share", str(share), "--", "bash", "-c", script, "bash", "two  words", str(kept))
    with subprocess.Popen(
        [*COMMAND, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        seen = [(line, time.monotonic()) for line in run.stdout]
        errors = run.stderr.read()
    assert [line for line, _ in seen] == [f"{os.getcwd()}\n", "soon\n", "later\n"]
    # As it comes: not all at the end.
    assert seen[2][1] - seen[1][1] > 0.5
    assert errors.splitlines()[1:] == ["* two  words"]
    assert run.returncode == 7
    assert (share / "out").read_text() == "given"
    assert kept.read_text() == "as it was"


def test_a_command_that_exceeds_the_timeout_is_ended(folder: Path) -> None:
    run = subprocess.run(
        [*COMMAND, "--timeout", "1", "--", "true"], check=False, capture_output=True, text=True, timeout=30
    )
    assert run.returncode == 124
    assert run.stdout == ""
    assert run.stderr.splitlines()[-1] == "ecbpf: guest 6.1-cloud: not done in 1 s; its console is above"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_guest(folder: Path, number: signal.Signals, status: int) -> None:
    with subprocess.Popen([*COMMAND, "--", "sleep", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        children: list[int] = []
        patience = time.monotonic() + 20
        # qemu, and a file server for the root and one for the command.
        while len(children) < 3 and time.monotonic() < patience:
            time.sleep(0.05)
            children = started_by(run.pid)
        assert len(children) == 3
        run.send_signal(number)
        out, errors = run.communicate(timeout=20)
    assert (run.returncode, out, errors) == (status, b"", b"")
    assert [pid for pid in children if os.path.exists(f"/proc/{pid}")] == []


def test_a_guest_that_dies_shows_its_console(folder: Path) -> None:
    run = subprocess.run(
        [*COMMAND, "--", "bash", "-c", "echo before; echo c >/proc/sysrq-trigger"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 125
    assert run.stdout == "before\n"
    assert "sysrq triggered crash" in run.stderr
    assert run.stderr.splitlines()[-1] == "ecbpf: guest 6.1-cloud: ended without a status; its console is above"
