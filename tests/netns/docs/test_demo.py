"""`make demo`: its output, its errors, and that it leaves nothing behind however it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecbpf import lab
from ecbpf.chain.pins import folders

DEMO = [sys.executable, str(Path(__file__).parents[3] / "tools" / "demo.py")]


@pytest.fixture
def leaves_nothing(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts the demo with arguments for Popen; afterwards none of its labs, pins, processes or files is left."""
    before = set(folders())

    def start(**given: str) -> "subprocess.Popen[str]":
        environment = os.environ | {"TMPDIR": str(tmp_path)} | given
        return subprocess.Popen(
            DEMO, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=1
        )

    yield start
    assert lab.status().state == "down"
    assert set(folders()) <= before
    assert list(tmp_path.iterdir()) == []
    assert [pid for pid in Path("/proc").glob("[0-9]*") if str(tmp_path) in _cwd(pid)] == []


def _cwd(pid: Path) -> str:
    try:
        return os.readlink(pid / "cwd")
    except OSError:  # it has just ended
        return ""


def test_the_demonstration(leaves_nothing: Callable[..., "subprocess.Popen[str]"]) -> None:
    started = time.monotonic()
    with leaves_nothing() as demo:
        output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, output
    assert time.monotonic() - started < 120
    assert "eth0: root array attached (native)\n" in output
    assert output.count("root array replaced in place") == 5
    assert "2000 packets transmitted, 2000 received, 0% packet loss" in output
    for proto in (1, 58, 6):
        assert len(re.findall(rf"bpf_trace_printk: eth0: .* proto {proto} ", output)) == 2
    assert re.search(r"^ +6 \| +\d+ \| xdp_printk_prog ", output, re.MULTILINE)
    excerpt = re.search(r' "slot": 6,.*?\}\n', output, re.DOTALL)
    assert excerpt
    assert "3 packets transmitted, 0 received" in output, "the filter drops"
    assert "eth0: 1000000 added, 1 removed; 1000000 in the drop set\n" in output
    assert "1000 packets transmitted, 1000 received, 0% packet loss" in output
    assert "From 192.168.56.100 icmp_seq=1 Frag needed and DF set (mtu = 1500)\n" in output
    assert json.loads("{" + excerpt[0] + "}")["statistics"]["XDP_PASS"] > 2000
    sums = re.search(r"= (\d+)\. The table adds up to (\d+)\.", output)
    assert sums
    assert sums[1] == sums[2]


@pytest.mark.parametrize(
    ("moment", "number", "exit_status"),
    [
        ("$ ecbpf lab up", signal.SIGINT, 130),
        ("$ ecbpf trace", signal.SIGINT, 130),
        ("http.server", signal.SIGTERM, 143),
        ("replaced in place", signal.SIGINT, 130),
        ("-c 2000", signal.SIGHUP, 129),
        ("$ ecbpf lab down", signal.SIGINT, 130),
    ],
)
def test_interrupted(
    leaves_nothing: Callable[..., "subprocess.Popen[str]"], moment: str, number: int, exit_status: int
) -> None:
    with leaves_nothing() as demo:
        assert demo.stdout
        while moment not in demo.stdout.readline():
            assert demo.poll() is None
        demo.send_signal(number)
        demo.communicate(timeout=30)
    assert demo.returncode == exit_status


def test_a_command_that_fails(leaves_nothing: Callable[..., "subprocess.Popen[str]"], tmp_path: Path) -> None:
    folder = tmp_path.with_name(tmp_path.name + "-bin")
    folder.mkdir()
    (folder / "ping").write_text("#!/bin/sh\necho no ping today >&2; exit 3\n")
    (folder / "ping").chmod(0o755)
    with leaves_nothing(PATH=f"{folder}:{os.environ['PATH']}") as demo:
        output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    last = output.splitlines()[-2:]
    assert last[0] == "no ping today"
    assert last[1].startswith("ecbpf: ecbpf lab exec client -- ping ")
    assert last[1].endswith(": exit status 3")


def test_a_lab_that_is_up_is_left_alone() -> None:
    lab.up()
    done = subprocess.run(DEMO, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "ecbpf: demo: a lab is up already, maybe in use; take it down first: ecbpf lab down\n"
    assert done.stdout == ""
    assert lab.status().state == "up"


def test_not_root() -> None:
    # In a user namespace without a mapping: nobody, with root's permission to read files.
    done = subprocess.run(["unshare", "--user", *DEMO], check=False, capture_output=True, text=True)
    assert done.returncode == 77
    assert done.stderr.startswith("ecbpf: demo: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
