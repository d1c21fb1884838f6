"""Send gauges to a statsd daemon by UDP: never blocks, and backs off ever longer while the daemon is down.

The format is https://github.com/statsd/statsd/blob/master/docs/metric_types.md, one gauge per datagram.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping

from ecbpf.errors import DataError

__all__ = ["DEFAULT_PORT", "Statsd"]

DEFAULT_PORT = 8125
LONGEST_PAUSE = 600.0  # seconds
_LATEST_ANSWER = 1.0  # seconds within which an ICMP error for a datagram has arrived


class Statsd:
    """A statsd daemon at an address."""

    def __init__(
        self, host: str, port: int = DEFAULT_PORT, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """host: a name or address, resolved once, now. clock: returns seconds.

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
        self._well_since: float | None = None  # when sending last resumed

    def send(self, gauges: Mapping[str, int]) -> None:
        """Send all gauges by name, unless the daemon was down and the pause is not over.

        A daemon counts as down if there is an ICMP error for an earlier datagram, or no route to it. ICMP errors
        take time to arrive, so the pause is reset only after a second without one.
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
        """Close the socket."""
        self._socket.close()
