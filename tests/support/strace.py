"""A command's system calls: which it makes, and what happens if one fails or is its last."""

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

__all__ = ["EVERY_CALL", "HARMLESS", "disturbed", "system_calls"]

CALLS = "bpf,flock,mkdir,rmdir,rename,unlink,sendto"

# These only read, or make what ends with the process.
HARMLESS = re.compile(
    r"bpf\(BPF_(OBJ_GET|OBJ_GET_INFO_BY_FD|[A-Z]+_GET_FD_BY_ID|[A-Z]+_GET_NEXT_ID|MAP_LOOKUP_ELEM|MAP_CREATE"
    r"|BTF_LOAD|PROG_LOAD|MAP_FREEZE|MAP_GET_NEXT_KEY|PROG_BIND_MAP|PROG_TEST_RUN|PROG_QUERY)\b|(mk|rm)dir\(.*(EEXIST|ENOTEMPTY)"
    r"|sendto\(.*RTM_GET"
)
EVERY_CALL = bool(os.environ.get("ECBPF_EVERY_CALL"))


def system_calls(command: list[str], log: Path) -> list[tuple[str, int, str]]:
    """Run the command under strace; returns the name of each call, its number among those, and strace's line."""
    subprocess.run(["strace", "-qq", "-o", str(log), "-e", f"trace={CALLS}", *command], check=True)
    seen: Counter[str] = Counter()
    found = []
    for line in log.read_text().splitlines():
        if name := re.match(r"(\w+)\(", line):
            seen[name[1]] += 1
            found.append((name[1], seen[name[1]], line))
    return found


def disturbed(command: list[str], call: str, number: int, how: str) -> subprocess.CompletedProcess[str]:
    """Run the command; strace applies `how` to that call (``signal=KILL``, ``error=ENOSPC``)."""
    inject = f"--inject={call}:{how}:when={number}"
    trace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", inject]
    return subprocess.run([*trace, *command], check=False, capture_output=True, text=True)
