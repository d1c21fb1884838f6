"""A pytest plugin (`-p tests.vm.tally`): writes down each test's outcome as soon as it is known.

A report at the end, as --junitxml makes, would be lost with a guest that panics.
"""

import json
import os

import pytest

__all__ = ["PATH_VARIABLE"]

# Names the file to append to, one JSON object per line.
PATH_VARIABLE = "ECBPF_TALLY"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One test's set-up, call or tear-down is done."""
    if report.when == "call" or not report.passed:
        _write(report.nodeid, report.outcome)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file was searched for tests; written only if that failed, or skips the whole file."""
    if not report.passed:
        _write(report.nodeid, report.outcome)


def _write(test: str, outcome: str) -> None:
    with open(os.environ[PATH_VARIABLE], "a", encoding="utf-8") as file:
        file.write(json.dumps({"test": test, "outcome": outcome}) + "\n")
