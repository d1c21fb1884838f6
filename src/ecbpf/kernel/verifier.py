"""What the verifier said, in one line and whole."""

import re

from ecbpf.errors import KernelError

__all__ = ["VerifierError", "summarise"]

_STATISTICS = re.compile(r"^(processed \d+ insns|verification time|stack depth|max_states)")
_STATE = re.compile(
    r"^(\d+: [(R]|from \d+ to \d+|frame\d+:|\s*R\d+(_\w+)?=|func#|;|--|regs=|mark_precise|last_idx|parent )"
)


def summarise(log: str) -> str:
    """The line of a verifier's log that says why, with the source line it is about if there is one.

    The reason stands last, before the statistics; above it are instructions, register states and, after
    a ``;``, the C lines from the BTF. "" for an empty log.
    """
    lines = [line.rstrip() for line in log.rstrip("\0\n ").splitlines()]
    while lines and (not lines[-1] or _STATISTICS.match(lines[-1])):
        lines.pop()
    if not lines:
        return ""
    reason = next((line for line in reversed(lines) if line and not _STATE.match(line)), lines[-1])
    source = next((line for line in reversed(lines) if line.startswith(";")), "")
    if not source:
        return reason
    # Since Linux 6.10 the file and line stand behind an @.
    return f"{reason} at `{source.lstrip('; ').split(' @ ')[0].strip()}`"


class VerifierError(KernelError):
    """The verifier refused a program; `log` is all that it said, `summary` the line that matters."""

    exit_status = 65

    def __init__(self, what: str, errno: int, log: str) -> None:
        super().__init__(what, errno)
        self.log = log
        self.summary = summarise(log)
        self.why = f"the verifier refuses it: {self.summary}"
