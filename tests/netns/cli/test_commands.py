"""The commands as typed: output, exit status, bad input."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ecbpf.chain.attach import attach
from ecbpf.chain.occupant import find_root, look
from ecbpf.chain.slots import put
from ecbpf.cli import main
from ecbpf.cli.classic import xdp_printk, xdp_root_loader
from ecbpf.kernel.uapi import XDP_DROP
from ecbpf.kernel.xdp import query
from ecbpf.lab.namespace import inside_namespace
from ecbpf.netdev.interfaces import index_of
from ecbpf.paths import object_path
from tests.support.frames import FLOOD
from tests.support.objects import Build
from tests.support.pair import Pair
from tests.support.shell import sh
from tests.support.slots import Verdict, slot_ids

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line of any of the commands; returns exit status, output, errors."""
    faces = {"ecbpf": main.main, "xdp_root_loader": xdp_root_loader.main, "xdp_printk": xdp_printk.main}

    def run_it(line: str) -> tuple[int, str, str]:
        words = line.split()
        monkeypatch.setattr(sys, "argv", words)
        status = faces[words[0]]()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run_it


HEADER = (
    "SLOT | ID    | NAME                     | LOAD TIME                            | XDP_ABORTED      "
    "| XDP_DROP         | XDP_PASS         | XDP_TX           | XDP_REDIRECT     | XDP_INVALID_ACTION"
)


def test_the_table_has_not_changed(near: str, run: Run, build: Build) -> None:
    attach(near)
    put(near, Verdict(1, build("chain/verdicts"), XDP_DROP))
    root = find_root(near)
    root.program.test_run(FLOOD)
    held = slot_ids(root)[1]
    for line in (
        f"ecbpf status {near}",
        f"ecbpf status -i {near}",
        f"xdp_root_loader --status --interface {near}",
    ):
        status, out, err = run(line)
        lines = out.splitlines()
        assert (status, err) == (0, "")
        assert lines[:2] == [f"Interface {near} status:", HEADER]
        assert lines[2] == f"   0 |     - | -{' ' * 24}| -{' ' * 36}|" + " |".join([" " * 16 + "0"] * 6)
        assert re.fullmatch(
            rf"   1 \| {held:>5} \| xdp_verdicts_prog        "
            r"\| (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d \+0000      "
            r"\|                0 \|                1 \|                0( \|                0){3}",
            lines[3],
        )
        assert len(lines) == 11
        assert "|" not in lines[10], "the mode line is not a row for scripts that split the table at its bars"
        assert lines[10].startswith("Mode native; the root itself")


def test_status_shows_every_ethernet_interface_and_any_other_with_a_root(near: str, run: Run) -> None:
    sh("ip link add eth7 type veth peer name enp9s0")
    attach(near)
    status, out, _ = run("xdp_root_loader --stats")
    assert status == 0
    assert re.findall("Interface (.*) status:", out) == [
        *(name for name in _names() if name != "far0" and name != "lo")
    ]
    assert "Root array not attached to interface eth7.\n" in out
    _, out, _ = run("ecbpf status --json")
    shown = json.loads(out)
    assert shown["eth7"] == shown["enp9s0"] == {"root_loaded": False}
    assert shown[near]["root_loaded"] is True


def _names() -> list[str]:
    return [line.split(":")[1].split("@")[0].strip() for line in sh("ip -o link").splitlines()]


def test_the_json_is_complete(near: str, run: Run, build: Build) -> None:
    attach(near)
    put(near, Verdict(1, build("chain/verdicts"), XDP_DROP))
    find_root(near).program.test_run(FLOOD)
    _, out, _ = run(f"xdp_root_loader --status --json --interface {near}")
    state = json.loads(out)[near]
    zero = dict.fromkeys(
        ("XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT", "XDP_INVALID_ACTION"), 0
    )
    assert state["mode"] == "native"
    assert state["subprograms"][0] == {"slot": 0, "prog_loaded": False, "statistics": zero}
    assert [slot["slot"] for slot in state["subprograms"]] == list(range(8))
    filled = state["subprograms"][1]
    assert set(filled) == {"slot", "prog_loaded", "id", "name", "load_time", "statistics"}
    assert (filled["prog_loaded"], filled["name"]) == (True, "xdp_verdicts_prog")
    assert filled["statistics"] == state["statistics"] == zero | {"XDP_DROP": 1}


@pytest.mark.parametrize(
    ("attach_line", "detach_line"),
    [
        ("ecbpf attach {}", "ecbpf detach {}"),
        ("ecbpf attach -i {}", "ecbpf detach -i {}"),
        ("xdp_root_loader --attach --interface {}", "xdp_root_loader --detach --interface {}"),
    ],
)
def test_ecbpf_and_classic_commands_attach_and_detach(
    near: str, run: Run, attach_line: str, detach_line: str
) -> None:
    assert run(attach_line.format(near)) == (0, f"{near}: root array attached (native)\n", "")
    assert run("ecbpf printk attach -i " + near)[:2] == (0, f"{near}: printk put in slot 6\n")
    assert run("xdp_printk --attach --interface " + near)[:2] == (0, f"{near}: printk replaced in slot 6\n")
    assert run("xdp_printk --detach --interface " + near)[:2] == (0, f"{near}: slot 6 emptied\n")
    assert run(detach_line.format(near)) == (0, f"{near}: root array detached\n", "")


@pytest.mark.parametrize("separator", ",:-")
def test_lists_of_interfaces(pair: Pair, near: str, run: Run, separator: str) -> None:
    sh("ip link add a-b type veth peer name c-d")
    names = [near, "a-b", pair.far]
    status, out, _ = run(f"ecbpf attach {separator.join(names)} --generic")
    assert (status, out) == (0, "".join(f"{name}: root array attached (generic)\n" for name in names))
    assert run(f"ecbpf clear -i {separator.join(names)}")[0] == 0
    assert run("ecbpf clear")[1].count("counts cleared") == 3
    assert run(f"xdp_root_loader --clear --interface {near}")[0] == 0
    assert run(f"ecbpf detach {' '.join(names)}")[0] == 0


BAD_INPUT = [
    # command line, exit status, what the one line says
    ("ecbpf attach nosuch0", 65, "nosuch0: no such interface in this network namespace"),
    ("ecbpf status nosuch0", 65, "nosuch0: no such interface"),
    ("ecbpf attach IF,nosuch0", 65, "nosuch0: no such interface"),
    ("ecbpf attach", 64, "interface: none given"),
    ("ecbpf frobnicate", 64, "invalid choice: 'frobnicate'"),
    ("ecbpf", 64, "the following arguments are required: COMMAND"),
    ("ecbpf attach IF --slot 8 --filename OBJECT", 64, "slot 8: out of range; slots are 0 to 7"),
    ("ecbpf attach IF --slot -1 --filename OBJECT", 64, "slot -1: out of range"),
    ("ecbpf attach IF --slot two --filename OBJECT", 64, "invalid int value: 'two'"),
    ("ecbpf attach IF --slot 2", 64, "--slot: needs the subprogram's object"),
    ("ecbpf attach IF --slot 2 --generic --filename OBJECT", 64, "does not go with"),
    ("ecbpf attach IF --program x", 64, "goes with --slot"),
    ("ecbpf attach IF --nop --filename OBJECT", 64, "--nop: does not go with --filename"),
    ("ecbpf attach IF --generic", 1, "native mode is attached, generic was asked"),
    ("ecbpf attach IF --filename /nonexistent", 65, "/nonexistent: No such file or directory"),
    ("ecbpf attach IF --filename /bin/true", 65, "/bin/true: not a BPF object"),
    ("ecbpf attach IF --filename TEXT", 65, "TEXT: not a BPF object"),
    ("ecbpf attach IF --filename OBJECT", 65, "not a root array: it lacks xdp_root_prog"),
    ("ecbpf attach IF --slot 2 --filename NOP", 65, "not a subprogram; a subprogram includes"),
    ("ecbpf attach IF --slot 2 --filename REFUSED", 65, "the verifier refuses it: "),
    ("ecbpf attach IF --slot 2 --filename TC", 65, 'a subprogram is SEC("xdp")'),
    ("ecbpf attach IF --slot 2 --filename OBJECT --program other", 65, "has no program other; it has xdp_ver"),
    ("ecbpf detach IF --slot 3", 1, "slot 3 is empty already"),
    ("ecbpf detach FAR", 1, "no root array attached"),
    ("ecbpf attach FAR --slot 2 --filename OBJECT", 1, "no root array attached; attach one: ecbpf attach FAR"),
    ("ecbpf printk attach -i FAR", 1, "no root array attached"),
    ("ecbpf printk frob -i IF", 64, "invalid choice"),
    ("ecbpf clear FAR", 1, "no root array attached"),
    ("xdp_root_loader", 64, "one of the arguments"),
    ("xdp_root_loader --attach", 64, "interface: none given"),
    ("xdp_root_loader --attach --detach --interface IF", 64, "not allowed with argument"),
    ("xdp_root_loader --status --force", 64, "go with --attach"),
    ("xdp_root_loader --attach --json --interface IF", 64, "--json goes with --status"),
    ("xdp_root_loader --attach --generic --interface IF", 1, "generic was asked"),
    ("xdp_printk --interface IF", 64, "one of the arguments"),
    ("xdp_printk --attach", 64, "interface: none given"),
]


@pytest.mark.parametrize(("line", "status", "says"), BAD_INPUT, ids=[case[0] for case in BAD_INPUT])
def test_bad_input_gets_one_line_and_changes_nothing(
    pair: Pair,
    near: str,
    run: Run,
    build: Build,
    tmp_path: Path,
    line: str,
    status: int,
    says: str,
) -> None:
    (tmp_path / "TEXT").write_text("hello\n")
    attach(near)
    before = query(index_of(near)), slot_ids(find_root(near))
    names = {
        "IF": near,
        "FAR": pair.far,
        "OBJECT": build("chain/verdicts") if "OBJECT" in line else "",
        "REFUSED": build("chain/refused") if "REFUSED" in line else "",
        "TC": build("chain/no_xdp") if "TC" in line else "",
        "NOP": object_path("nop"),
        "TEXT": str(tmp_path / "TEXT"),
    }
    words = re.sub("|".join(rf"\b{name}\b" for name in names), lambda found: names[found[0]], line)
    got, out, err = run(words)
    assert (got, out) == (status, "")
    assert re.fullmatch(r"ecbpf: .*\n", err), "one line"
    assert says.replace("FAR", pair.far) in err
    assert (query(index_of(near)), slot_ids(find_root(near))) == before
    assert look(pair.far) is None


def test_missing_privileges_are_reported(near: str) -> None:
    attach(near)
    there = query(index_of(near))
    for command in (f"attach {near}", f"status {near}", f"detach {near}", f"printk attach -i {near}"):
        powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
        done = subprocess.run(
            [*powerless, sys.executable, "-m", "ecbpf.cli.main", *command.split()],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 77, (command, done.stderr)
        assert re.fullmatch(r"ecbpf: .*; run it as root\n", done.stderr)
    assert query(index_of(near)) == there


def test_debug_shows_the_traceback(near: str, run: Run) -> None:
    with pytest.raises(Exception, match="nosuch0"):
        run("ecbpf attach nosuch0 --debug")


def test_a_reader_that_stops_is_not_an_error(near: str) -> None:
    attach(near)
    script = f"{sys.executable} -m ecbpf.cli.main status {near} | head -1"
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"Interface {near} status:\n", "")


def test_ip_netns_exec_is_refused_with_the_hint(pair: Pair) -> None:
    """Its mount namespace ends with the command, and with it the pins."""
    command = ["ip", "netns", "exec", pair.namespace, sys.executable, "-m", "ecbpf.cli.main", "attach", pair.near]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 69
    assert "use nsenter --net=" in done.stderr
    with inside_namespace(pair.namespace):
        assert look(pair.near) is None


def test_a_missing_bpffs_is_mounted(pair: Pair) -> None:
    """In a mount namespace without bpffs whose other processes live on, as that of a service."""
    script = (
        f"umount /sys/fs/bpf && {sys.executable} -m ecbpf.cli.main attach {pair.near} &&"
        f"{sys.executable} -m ecbpf.cli.main status {pair.near}"
    )
    # The shell is PID 1 of its own PID namespace: no process above it has another mount namespace.
    command = pair.command("unshare", "--mount", "--pid", "--fork", "--mount-proc", "bash", "-c", script)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ecbpf: mounted bpffs on /sys/fs/bpf" in done.stderr
    assert "Mode native" in done.stdout
