"""What runs beside a filter: its counts to statsd, and this host's addresses to it, once a second."""

from __future__ import annotations

import signal
import sys
import time

from ecbpf.errors import EcbpfError
from ecbpf.filter.running import detach_filter, find_filter
from ecbpf.metrics.statsd import Statsd
from ecbpf.netdev.addresses import AddressEvents

__all__ = ["serve"]

_STOPS = (signal.SIGTERM, signal.SIGINT)


def serve(interfaces: list[str], statsd: Statsd | None = None, *, detach_on_exit: bool = False) -> None:
    """Keep the filters' local addresses up to date, and send their counts, until SIGTERM or SIGINT.

    detach_on_exit: take the filters off then. An interface that goes away, or whose filter is taken off, is left
    aside and taken up again when it is back. Raises as find_filter() at the start.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        events = AddressEvents()
        for interface in interfaces:
            find_filter(interface).update_local()
        _until_stopped(interfaces, statsd, events)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    if detach_on_exit:
        for interface in interfaces:
            print(f"{interface}: {detach_filter(interface)}")


def _until_stopped(interfaces: list[str], statsd: Statsd | None, events: AddressEvents) -> None:
    missing: dict[str, str] = {}
    following = time.monotonic()
    while signal.sigtimedwait(_STOPS, max(0.0, following - time.monotonic())) is None:
        following = max(following + 1, time.monotonic())
        is_moved = events.changed()
        for interface in interfaces:
            try:
                _beat(interface, statsd, update=is_moved or interface in missing)
                missing.pop(interface, None)
            except EcbpfError as error:
                if missing.get(interface) != str(error):
                    print(f"ecbpf: {error}", file=sys.stderr, flush=True)
                missing[interface] = str(error)


def _beat(interface: str, statsd: Statsd | None, *, update: bool) -> None:
    running = find_filter(interface)
    if update:
        running.update_local()
    if statsd is not None:
        statsd.send({f"xdp.filter.{name}@{interface}": count for name, count in running.counters().items()})
