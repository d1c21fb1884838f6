"""What a command costs as a whole process, against Python that does nothing.

The processes run in a network namespace of their own with a veth pair: eth0 with a root array, eth1 bare.
This process enters it before a process is started, outside of what is timed, and so needs no `nsenter`.
The namespace has no name: it goes when this process does.
"""

import ctypes
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from bench.harness import Row
from bench.testrun import compiled
from ecbpf.chain.attach import attach, detach
from ecbpf.chain.slots import put
from ecbpf.chain.subprogram import FileSubprogram
from ecbpf.errors import EcbpfError, kernel_error

__all__ = ["ROWS"]

_CLONE_NEWNET = 0x40000000  # <linux/sched.h>
_OWN = "/proc/thread-self/ns/net"
_SCRIPT = os.path.join(os.path.dirname(sys.executable), "ecbpf")
_FILLED = (1, 2, 5, 6)
_STATUS_LIMIT = 4
_libc = ctypes.CDLL(None, use_errno=True)


class _Network:
    """A network namespace without a name, and in it a veth pair eth0, eth1."""

    def __init__(self, stack: ExitStack) -> None:
        self._outside = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, self._outside)
        _call("unshare", _CLONE_NEWNET)
        self._inside = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, self._inside)
        _call("setns", self._outside, _CLONE_NEWNET)
        with self.entered():
            subprocess.run(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"], check=True)

    @contextmanager
    def entered(self) -> Iterator[None]:
        _call("setns", self._inside, _CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", self._outside, _CLONE_NEWNET)

    def attach_chain(self, stack: ExitStack) -> None:
        with self.entered():
            attach("eth0")
            stack.callback(self._detach)
            for slot in _FILLED:
                put("eth0", FileSubprogram(slot, compiled("pass")))

    def _detach(self) -> None:
        with self.entered():
            detach("eth0")


def _call(function: str, *arguments: int) -> None:
    if getattr(_libc, function)(*arguments):
        raise kernel_error(function, ctypes.get_errno())


def _interpreter() -> list[str]:
    """What the #! line of the command starts, so that the floor is the same Python with the same flags."""
    with open(_SCRIPT, encoding="utf-8") as script:
        return shlex.split(script.readline().removeprefix("#!"))


def _process(command: list[str], *, chain: bool = False) -> Callable[[ExitStack], Callable[[], float]]:
    """The time from starting a process to its end. chain: with a root array on eth0."""

    def setup(stack: ExitStack) -> Callable[[], float]:
        network = _Network(stack)
        if chain:
            network.attach_chain(stack)

        def once() -> float:
            with network.entered():
                return _run(command)

        return once

    return setup


def _run(command: list[str]) -> float:
    """Nanoseconds. The environment is bare: PYTHON… variables of whoever benches are not the command's."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    begin = time.monotonic_ns()
    child = os.posix_spawn(command[0], command, {"PATH": os.environ["PATH"]}, file_actions=quiet)
    _, status = os.waitpid(child, 0)
    took = time.monotonic_ns() - begin
    if status:
        raise EcbpfError(" ".join(command), f"ends with status {os.waitstatus_to_exitcode(status)}")
    return took


ROWS = [
    Row("command", "floor", "python3 -c pass", _process([*_interpreter(), "-c", "pass"])),
    Row("command", "version", "ecbpf --version", _process([_SCRIPT, "--version"]), "floor", ratio=True),
    Row(
        "command",
        "status-bare",
        "ecbpf status --json, two interfaces without a root array",
        _process([_SCRIPT, "status", "--json"]),
        "floor",
        ratio=True,
    ),
    Row(
        "command",
        "status",
        "ecbpf status --json, one of them with a root array, four slots full",
        _process([_SCRIPT, "status", "--json"], chain=True),
        "floor",
        ratio=True,
        limit=_STATUS_LIMIT,
    ),
]
