"""python3 -m ecbpf.build: the files that it writes, and its errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecbpf.build import compile_object

PROGRAM = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int xdp_ttl_prog(struct xdp_md *ctx) { return XDP_PASS; }
char _license[] SEC("license") = "GPL";
"""
WARNS = "static int unused;\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a program, one that clang refuses, one that it warns about, and names that Python cannot have."""
    for name, text in {
        "ttl.bpf.c": PROGRAM,
        "broken.bpf.c": "int f( {",
        "warns.bpf.c": PROGRAM + WARNS,
        "names.bpf.c": PROGRAM + "int class = 1;",
        "7.bpf.c": PROGRAM,
        "mine.py": "print('mine')",
        "text": "not C at all",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def build(folder: Path, *words: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ecbpf.build", *words]
    environment = {**os.environ, "PATH": path}
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=environment)


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ("ttl.bpf.c", "ttl.bpf.o"),
        ("ttl.bpf.c -o other.o", "other.o"),
        ("ttl.bpf.c --skeleton", "ttl_bpf.py"),
        ("ttl.bpf.c --skeleton -o ttl.py", "ttl.py"),
        ("ttl.bpf.c --skeleton --debug", "ttl_bpf.py"),
    ],
)
def test_the_output_file(folder: Path, words: str, written: str) -> None:
    before = set(os.listdir(folder))
    done = build(folder, *words.split())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert set(os.listdir(folder)) - before == {written}
    if written.endswith(".o"):
        assert (folder / written).read_bytes()[:4] == b"\x7fELF"
    else:
        show = f"import {written.removesuffix('.py')} as made; print(list(made.TtlBpf.Programs.__annotations__))"
        used = subprocess.run([sys.executable, "-c", show], check=True, capture_output=True, text=True, cwd=folder)
        assert used.stdout == "['xdp_ttl_prog']\n"


# Command line, exit status (README), how the one line begins.
REFUSED = [
    ("--skeleton missing.bpf.c", 65, "ecbpf: missing.bpf.c: no such file; give a kernel program, NAME.bpf.c"),
    ("ttl.bpf.c -o ttl.bpf.c", 64, "ecbpf: ttl.bpf.c: is the source itself; -o another file"),
    ("--skeleton ttl.bpf.c -o mine.py", 1, "ecbpf: mine.py: a file that is not a skeleton is there; -o NAME.py: "),
    ("text", 65, "ecbpf: text: clang refuses it:"),
    ("--skeleton broken.bpf.c", 65, "ecbpf: broken.bpf.c: clang refuses it:"),
    (
        "--skeleton names.bpf.c",
        65,
        "ecbpf: names.bpf.c, class: no Python attribute can have this name; ",
    ),
    ("--skeleton 7.bpf.c -o seven.py", 65, "ecbpf: 7.bpf.c: no Python class can be named after it; "),
    ("--skeleton 7.bpf.c", 64, "ecbpf: 7_bpf.py: Python cannot import a file of this name; -o NAME.py"),
    ("--skeleton ttl.bpf.c -o ttl.so", 64, "ecbpf: ttl.so: Python cannot import a file of this name; -o NAME.py"),
    ("--skeleton ttl.bpf.c -o no/such.py", 1, "ecbpf: [Errno 2] No such file or directory: 'no/such.py'\n"),
    ("--skeleton", 64, "ecbpf: python3 -m ecbpf.build: the following arguments are required: source; "),
    ("broken.bpf.c", 65, "ecbpf: broken.bpf.c: clang refuses it:"),
]


@pytest.mark.parametrize(("words", "status", "message"), REFUSED)
def test_refusals(folder: Path, words: str, status: int, message: str) -> None:
    before = set(os.listdir(folder))
    done = build(folder, *words.split())
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr
    assert "clang refuses" in message or done.stderr.count("\n") == 1
    assert set(os.listdir(folder)) == before
    assert ((folder / "ttl.bpf.c").read_text(), (folder / "mine.py").read_text()) == (PROGRAM, "print('mine')")


@pytest.mark.parametrize("flags", [[], ["--skeleton"]])
def test_without_clang(folder: Path, flags: list[str]) -> None:
    done = build(folder, *flags, "ttl.bpf.c", path="/nonexistent")
    assert done.returncode == 69
    assert done.stderr == "ecbpf: clang: not found; apt-get install clang libbpf-dev linux-libc-dev\n"


@pytest.mark.parametrize("flags", [[], ["--skeleton"]])
def test_warnings_are_shown_and_the_file_is_written(folder: Path, flags: list[str]) -> None:
    done = build(folder, *flags, "warns.bpf.c")
    assert done.returncode == 0
    assert "warning: unused variable 'unused'" in done.stderr
    assert {"warns.bpf.o", "warns_bpf.py"} & set(os.listdir(folder))


def test_a_caller_gets_the_warnings(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = str(folder / "warns.o")
    assert "warning: unused variable" in compile_object(str(folder / "warns.bpf.c"), output)
    assert compile_object(str(folder / "ttl.bpf.c"), output) == ""
    assert capfd.readouterr() == ("", "")
