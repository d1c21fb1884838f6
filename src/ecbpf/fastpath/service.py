"""What runs beside the fast path: its rates on the screen, or its counts to statsd, once a while until stopped."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from ecbpf.chain.pins import locked
from ecbpf.fastpath.director import find_director
from ecbpf.metrics.beat import Complaints, every_second, stop_requests
from ecbpf.metrics.statsd import Statsd
from ecbpf.netdev.addresses import AddressEvents

__all__ = ["serve_statsd", "watch_rates"]

_NAME = "fast path"


def watch_rates(
    seconds: float, count: int | None, show: Callable[[dict[str, int], dict[str, int], float], None]
) -> None:
    """Call show(counts before, counts now, seconds between) every so many seconds, `count` times or until stopped.

    Raises as find_director().
    """
    before, then = find_director().counters(), time.monotonic()
    with stop_requests() as stop:
        beats = every_second(stop, seconds)
        next(beats, None)
        for number, _ in enumerate(beats, 1):
            counts, now = find_director().counters(), time.monotonic()
            show(before, counts, now - then)
            before, then = counts, now
            if number == count:
                break


def serve_statsd(statsd: Statsd) -> None:
    """Send every count as a gauge once a second, and keep this host's addresses current, until SIGTERM or SIGINT.

    A fast path that is unloaded is left aside, and taken up again when it is back. Raises as find_director() at
    the start.
    """
    with stop_requests() as stop, contextlib.closing(AddressEvents()) as events:
        _update_addresses()
        trouble = Complaints()
        for _ in every_second(stop):
            is_moved = events.changed() or _NAME in trouble
            with trouble.about(_NAME):
                if is_moved:
                    _update_addresses()
                counts = find_director().counters()
                statsd.send({f"xdp.bypass_ipvs.{name}": count for name, count in counts.items()})


def _update_addresses() -> None:
    with locked():
        find_director().addresses.change()
