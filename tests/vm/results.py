"""The outcomes of tests on several kernels, as a table."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Result", "read_outcomes", "table"]


@dataclass(slots=True)
class Result:
    """The outcomes ("passed", "failed", "skipped") by test on one kernel; `error`: why some are missing."""

    kernel: str
    outcomes: dict[str, str] = field(default_factory=dict)
    error: str = ""

    @property
    def failed(self) -> list[str]:
        """The tests that failed."""
        return [test for test, outcome in self.outcomes.items() if outcome == "failed"]

    def counts(self, file: str) -> str:
        """passed/failed/skipped of the tests in `file`, "-" if none ran."""
        outcomes = [outcome for test, outcome in self.outcomes.items() if _file(test) == file]
        return "/".join(str(outcomes.count(kind)) for kind in ("passed", "failed", "skipped")) if outcomes else "-"


def read_outcomes(path: str) -> dict[str, str]:
    """The outcome of each test in what tests/vm/tally.py wrote; a test that failed in any part failed.

    The last line may be cut short: the guest died writing it.
    """
    outcomes: dict[str, str] = {}
    if not os.path.exists(path):
        return outcomes
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                said = json.loads(line)
                if outcomes.get(said["test"]) != "failed":
                    outcomes[said["test"]] = said["outcome"]
    return outcomes


def table(results: Sequence[Result]) -> str:
    """One line per test file, one column per kernel, then the names of failed tests."""
    files = sorted({_file(test) for result in results for test in result.outcomes})
    rows = [["passed/failed/skipped", *(result.kernel for result in results)]]
    rows += [[file, *(result.counts(file) for result in results)] for file in files]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    for result in results:
        lines += [f"{result.kernel}: failed: {test}" for test in result.failed]
        if result.error:
            lines.append(f"{result.kernel}: {result.error}")
    return "\n".join(lines)


def _file(test: str) -> str:
    return test.split("::", 1)[0]
