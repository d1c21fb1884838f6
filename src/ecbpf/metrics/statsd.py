"""Gauges to a statsd daemon, by UDP: never waits for it, and leaves it alone ever longer while it is away.

The format is that of https://github.com/statsd/statsd/blob/master/docs/metric_types.md, one gauge a datagram.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping

from ecbpf.errors import DataError

__all__ = ["DEFAULT_PORT", "Statsd"]

DEFAULT_PORT = 8125
LONGEST_PAUSE = 600.0  # seconds
_LATEST_ANSWER = 1.0  # seconds until the error of a datagram has come back, from wherever


class Statsd:
    """A daemon at an address."""

    def __init__(
        self, host: str, port: int = DEFAULT_PORT, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """host: a name or address, looked up now and never again. clock: in seconds.

        Raises DataError if there is no such host.
        """
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except (OSError, UnicodeError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise DataError(
                f"{host}:{port}", f"no address of a statsd daemon: {why}", "give the name or address of its host"
            ) from None
        self._address = address
        self._clock = clock
        self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._pause = 0.0
        self._not_before = 0.0
        self._well_since: float | None = None  # when sending began again

    def send(self, gauges: Mapping[str, int]) -> None:
        """Send all gauges by name, unless the daemon was away and its pause is not over.

        A daemon that is away shows by the error that an earlier datagram came back with, or by no route to it.
        One that is far shows it later: so a pause is forgotten only when all went well for a while.
        """
        if self._clock() < self._not_before:
            return
        try:
            came_back = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if came_back:
                raise OSError(came_back, os.strerror(came_back))
            self._socket.connect(self._address)
            for name, value in gauges.items():
                self._socket.send(f"{name}:{value}|g".encode())
        except OSError:
            self._pause = min(max(1.0, 2 * self._pause), LONGEST_PAUSE)
            self._not_before = self._clock() + self._pause
            self._well_since = None
            return
        if self._well_since is None:
            self._well_since = self._clock()
        elif self._clock() >= self._well_since + _LATEST_ANSWER:
            self._pause = 0.0

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()
