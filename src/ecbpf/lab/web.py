"""A real server's duty: the web server of web_server.py, as a process of its own."""

import os
import signal
import sys
import time
from dataclasses import dataclass

from ecbpf.errors import EcbpfError
from ecbpf.lab.namespace import namespace_path, run_in

__all__ = ["WebServer", "processes"]

_MODULE = "ecbpf.lab.web_server"
_GONE_WITHIN = 5.0  # seconds


@dataclass(frozen=True)
class WebServer:
    """HTTP on port 80 of every address, and UDP answers on port 443 of the addresses in `udp`.

    name: its name in its answers.
    """

    name: str
    udp: tuple[str, ...]

    def problems(self, namespace: str) -> list[str]:
        """Whether it does not run. Its process goes to the background only when it listens."""
        return [] if processes(namespace) else ["no web server"]

    def start(self, namespace: str) -> None:
        """Start it, and return when it listens."""
        if not processes(namespace):
            run_in(namespace, sys.executable, "-P", "-m", _MODULE, namespace, self.name, *self.udp)

    def stop(self, namespace: str) -> None:
        """End it, and return when it has ended."""
        deadline = time.monotonic() + _GONE_WITHIN
        while True:
            found = processes(namespace)
            if not found:
                return
            if time.monotonic() > deadline:
                raise EcbpfError("lab", f"process {found[0]} of {namespace} does not end", f"kill -9 {found[0]}")
            for process in found:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.01)


def processes(namespace: str) -> list[int]:
    """Process ids of the web servers in the network `namespace`, found in /proc, so no pid file is needed."""
    try:
        network = os.stat(namespace_path(namespace)).st_ino
    except FileNotFoundError:
        return []
    return [int(process) for process in os.listdir("/proc") if process.isdigit() and _serves(process, network)]


def _serves(process: str, network: int) -> bool:
    try:
        if os.stat(f"/proc/{process}/ns/net").st_ino != network:
            return False
        with open(f"/proc/{process}/cmdline", "rb") as command:
            return _MODULE.encode() in command.read().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
