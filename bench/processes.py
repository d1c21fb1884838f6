"""Run a command as a process: its time and its memory."""

import os
import shlex
import sys
import time

from ecbpf.errors import EcbpfError

__all__ = ["SCRIPT", "interpreter", "peak", "run"]

SCRIPT = os.path.join(os.path.dirname(sys.executable), "ecbpf")
# Until it executes its own program, a child counts as large as its parent (exec_mmap() in the kernel's fs/exec.c);
# so a small process starts it.
_PEAK = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def interpreter() -> list[str]:
    """The interpreter in the command's #! line, so that the floor is the same Python with the same flags."""
    with open(SCRIPT, encoding="utf-8") as script:
        return shlex.split(script.readline().removeprefix("#!"))


def run(command: list[str]) -> float:
    """Nanoseconds from the start of a process to its end. Its output is discarded."""
    begin = time.monotonic_ns()
    _spawn(command, os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))
    return time.monotonic_ns() - begin


def peak(command: list[str]) -> float:
    """The peak memory of a process, in MiB."""
    read, write = os.pipe()
    _spawn([*interpreter(), "-I", "-S", "-c", _PEAK, *command], write)
    with open(read, encoding="ascii") as pipe:
        return int(pipe.read()) / 1024


def _spawn(command: list[str], output: int) -> None:
    """Run a process to its end, in a bare environment, without the caller's PYTHON… variables.

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
