"""A statsd daemon to send to, and commands that run until they are stopped."""

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator

from tests.support.typed import command

__all__ = ["Daemon", "running", "stopped"]


class Daemon:
    """A UDP socket like that of a statsd daemon."""

    def __init__(self, port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.settimeout(20)
        self.port: int = self.socket.getsockname()[1]

    def gauges(self, count: int) -> dict[str, int]:
        """The next gauges."""
        texts = [self.socket.recv(1500).decode() for _ in range(count)]
        assert all(text.endswith("|g") for text in texts)
        return {text.partition(":")[0]: int(text.partition(":")[2][:-2]) for text in texts}

    def close(self) -> None:
        self.socket.close()


@contextlib.contextmanager
def running(line: str) -> Iterator["subprocess.Popen[str]"]:
    """The command, running until the block ends."""
    with subprocess.Popen(command(line), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def stopped(process: "subprocess.Popen[str]", number: int = signal.SIGTERM) -> tuple[int, str, str]:
    """Stop a command; returns the rest of its output."""
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err
