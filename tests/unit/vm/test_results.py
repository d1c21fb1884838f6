"""From pytest's outcomes in a guest to the table at the end."""

import os
import subprocess
import sys
from pathlib import Path

from tests.vm import suite
from tests.vm.results import Result, read_outcomes, table

TESTS = """
import pytest

@pytest.fixture
def broken():
    yield
    assert False

def test_good(): pass
def test_bad(): assert False
def test_left(broken): pass
@pytest.mark.skip
def test_skipped(): pass
"""


def test_every_outcome_is_written_down(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_none.py").write_text("import no_such_module")
    environment = os.environ | {"ECBPF_TALLY": str(tmp_path / "tally"), "PYTHONPATH": os.getcwd()}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.vm.tally",
        "--continue-on-collection-errors",
        ".",
    ]
    subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True)
    assert read_outcomes(str(tmp_path / "tally")) == {
        "test_none.py": "failed",
        "test_some.py::test_good": "passed",
        "test_some.py::test_bad": "failed",
        "test_some.py::test_left": "failed",
        "test_some.py::test_skipped": "skipped",
    }


def test_a_guest_that_dies_leaves_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "tally").write_text('{"test": "a::b", "outcome": "passed"}\n{"test": "a::c", "outc')
    assert read_outcomes(str(tmp_path / "tally")) == {"a::b": "passed"}
    assert read_outcomes(str(tmp_path / "none")) == {}


def test_the_table() -> None:
    results = [
        Result("5.10", {"x.py::a": "passed", "x.py::b[1::2]": "failed", "y.py::c": "skipped"}),
        Result("6.1", {"x.py::a": "passed"}, "guest 6.1: not done in 9 s"),
    ]
    assert table(results).splitlines() == [
        "passed/failed/skipped  5.10   6.1",
        "x.py                   1/1/0  1/0/0",
        "y.py                   0/0/1  -",
        "5.10: failed: x.py::b[1::2]",
        "6.1: guest 6.1: not done in 9 s",
    ]


def test_every_excluded_test_file_exists() -> None:
    assert [path for path in suite.LEFT_OUT if not os.path.exists(path.split("::")[0])] == []


def test_an_excluded_test_runs_if_it_is_named() -> None:
    left_out = "tests/netns/chain/test_parser.py::test_many_random_frames"
    assert f"--deselect={left_out}" in suite.arguments(["tests/netns/chain/test_parser.py"])
    assert f"--deselect={left_out}" not in suite.arguments([left_out])
