"""Processes on their bench."""

import os
import shlex
import sys
import time

from ecbpf.errors import EcbpfError

__all__ = ["SCRIPT", "interpreter", "peak", "run"]

SCRIPT = os.path.join(os.path.dirname(sys.executable), "ecbpf")
# A child of a large process counts as large as that until it has its own program (exec_mmap() in the kernel's
# fs/exec.c); so a small process stands between.
_PEAK = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def interpreter() -> list[str]:
    """What the #! line of the command starts, so that the floor is the same Python with the same flags."""
    with open(SCRIPT, encoding="utf-8") as script:
        return shlex.split(script.readline().removeprefix("#!"))


def run(command: list[str]) -> float:
    """Nanoseconds from a process' start to its end. What it prints is lost."""
    begin = time.monotonic_ns()
    _spawn(command, os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))
    return time.monotonic_ns() - begin


def peak(command: list[str]) -> float:
    """The most memory that a process had at a time, in MiB."""
    read, write = os.pipe()
    _spawn([*interpreter(), "-I", "-S", "-c", _PEAK, *command], write)
    with open(read, encoding="ascii") as pipe:
        return int(pipe.read()) / 1024


def _spawn(command: list[str], output: int) -> None:
    """Run a process to its end. In a bare environment: PYTHON… variables of whoever benches are not the command's.

    output: its standard output, closed here. Raises EcbpfError if it fails.
    """
    try:
        child = os.posix_spawn(
            command[0],
            command,
            {"PATH": os.environ["PATH"]},
            file_actions=[(os.POSIX_SPAWN_DUP2, output, 1)],
        )
    finally:
        os.close(output)
    _, status = os.waitpid(child, 0)
    if status:
        raise EcbpfError(" ".join(command), f"ends with status {os.waitstatus_to_exitcode(status)}")
