"""The parts of a service that does something once a second until it is stopped."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator

from ecbpf.errors import EcbpfError
from ecbpf.notices import notify

__all__ = ["Complaints", "every_second", "stop_requests"]

_STOPS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def stop_requests() -> Iterator[int]:
    """A file descriptor that becomes readable on SIGTERM or SIGINT; the signals have no other effect.

    Blocking the signals would not do: numpy has already started threads, which would receive them and die.
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
    """Do nothing: the signal has already been written to the wakeup descriptor."""


def every_second(stop: int, seconds: float = 1.0) -> Iterator[None]:
    """Yield at once and then every so many seconds, until `stop` (see stop_requests()) becomes readable.

    Beats missed because one took too long are skipped.
    """
    following = time.monotonic()
    while not select.select([stop], [], [], max(0.0, following - time.monotonic()))[0]:
        following = max(following + seconds, time.monotonic())
        yield


class Complaints:
    """Reports errors about named things, each only once until it changes or goes away."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._said

    @contextlib.contextmanager
    def about(self, name: str) -> Iterator[None]:
        """A block about the thing of that name; an EcbpfError or OSError in it is reported and goes no further."""
        try:
            yield
            self._said.pop(name, None)
        except (EcbpfError, OSError) as error:
            if self._said.get(name) != str(error):
                notify(str(error))
            self._said[name] = str(error)
