"""The verifier's messages: a one-line summary, and the whole log."""

from __future__ import annotations

import re
from itertools import takewhile

from ecbpf.errors import KernelError

__all__ = ["VerifierError", "summarise"]

_STATISTICS = r"processed \d+ insns|verification time|stack depth|max_states|insns processed|$"
_STATE = (
    r"\d+: [(R]|from \d+ to \d+|frame ?\d+:|\s*R\d+(_\w+)?=|func#|;|--|regs=|mark_precise|last_idx|parent |"
    r"cur state:|old state:|caller:|callee:|propagating |$"
)
_REPORT = "Verification failed: "
_REASON_LINES = 2  # "invalid access to packet, off=13 size=1" and "R1 offset is outside of the packet"


def summarise(log: str) -> str:
    """The reason in a verifier's log as one line, with the C source line if the log has it; "" for an empty log.

    The reason comes last, before the statistics; above it are instructions, register states and, after a ``;``,
    the C lines from the BTF. Linux 7.3 adds a longer report after the reason.
    """
    lines = [line.rstrip() for line in log.rstrip("\0\n ").splitlines()]
    lines = list(takewhile(lambda line: not line.startswith(_REPORT), lines))
    while lines and re.match(_STATISTICS, lines[-1]):
        lines.pop()
    end = len(lines)
    while end and re.match(_STATE, lines[end - 1]):
        end -= 1
    start = end
    while start and end - start < _REASON_LINES and not re.match(_STATE, lines[start - 1]):
        start -= 1
    reason = ", ".join(lines[start:end]) or (lines[-1] if lines else "")
    source = next((where for where in map(_source, reversed(lines[:end])) if where), "")
    return f"{reason} at {source}" if source else reason


def _source(line: str) -> str:
    """The C line that a line of the log quotes: "`line` (file:number)"; before Linux 6.10 without the file."""
    if not line.startswith(";"):
        return ""
    code, _, where = line.lstrip("; ").rpartition(" @ ") if " @ " in line else (line.lstrip("; "), "", "")
    if not code.strip() or code.startswith("@ "):
        return ""
    return f"`{code.strip()}` ({where})" if where else f"`{code.strip()}`"


class VerifierError(KernelError):
    """The verifier refused a program; `log` is its whole log, `summary` the line that matters."""

    exit_status = 65

    def __init__(self, what: str, errno: int, log: str) -> None:
        super().__init__(what, errno)
        self.log = log
        self.summary = summarise(log)
        if self.summary:
            self.why = f"the verifier refuses it: {self.summary}"
