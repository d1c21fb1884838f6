"""What runs once a second until it is told to stop: the frame of the services of each room."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator

from ecbpf.errors import EcbpfError

__all__ = ["Complaints", "complain", "every_second", "stop_requests"]

_STOPS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def stop_requests() -> Iterator[int]:
    """A file descriptor with something to read once SIGTERM or SIGINT came; they do nothing else until the end.

    Not by blocking them: numpy has begun threads before, which would die of them and take the process along.
    """
    stop, request = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    wakeup = signal.set_wakeup_fd(request, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, _ignore) for number in _STOPS}
    for number in _STOPS:
        signal.siginterrupt(number, False)
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(stop)
        os.close(request)


def _ignore(_number: int, _frame: object) -> None:
    """The wakeup descriptor has it."""


def every_second(stop: int, seconds: float = 1.0) -> Iterator[None]:
    """Yields now and then once every so many seconds, until `stop` (see stop_requests()) has something to read.

    What takes longer than that makes no beats up afterwards.
    """
    following = time.monotonic()
    while not select.select([stop], [], [], max(0.0, following - time.monotonic()))[0]:
        following = max(following + seconds, time.monotonic())
        yield


def complain(error: Exception) -> None:
    """Say it on standard error, as a command's error, and go on."""
    print(f"ecbpf: {error}", file=sys.stderr, flush=True)


class Complaints:
    """Trouble with things, by name, each said once as long as it is the same."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._said

    @contextlib.contextmanager
    def about(self, name: str) -> Iterator[None]:
        """Do something with the thing of that name; EcbpfError and OSError are said, and end here."""
        try:
            yield
            self._said.pop(name, None)
        except (EcbpfError, OSError) as error:
            if self._said.get(name) != str(error):
                complain(error)
            self._said[name] = str(error)
