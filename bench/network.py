"""A network namespace for the rows that need interfaces."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ecbpf.chain.attach import attach, detach
from ecbpf.errors import kernel_error

__all__ = ["Network"]

_CLONE_NEWNET = 0x40000000  # <linux/sched.h>
_OWN = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """An unnamed network namespace with a veth pair, eth0 and eth1. It ends with this process."""

    def __init__(self, stack: ExitStack) -> None:
        self._outside = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, self._outside)
        _call("unshare", _CLONE_NEWNET)
        self._inside = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, self._inside)
        _call("setns", self._outside, _CLONE_NEWNET)
        self.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run this thread, and the processes it starts, inside the namespace."""
        _call("setns", self._inside, _CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", self._outside, _CLONE_NEWNET)

    def run(self, *command: str, stdin: str = "") -> str:
        """Run a command inside; returns what it prints."""
        with self.entered():
            return subprocess.run(command, check=True, input=stdin, stdout=subprocess.PIPE, text=True).stdout

    def attach(self, stack: ExitStack) -> None:
        """Attach the root array to eth0; the stack detaches it."""
        with self.entered():
            attach("eth0")
        stack.callback(self._detach)

    def _detach(self) -> None:
        with self.entered():
            detach("eth0")


def _call(function: str, *arguments: int) -> None:
    if getattr(_libc, function)(*arguments):
        raise kernel_error(function, ctypes.get_errno())
