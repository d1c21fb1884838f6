"""What runs beside a filter: its counts to statsd, and this host's addresses to it, once a second."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Iterator

from ecbpf.chain.pins import locked
from ecbpf.errors import BusyError, EcbpfError, KernelError, MissingError
from ecbpf.filter.running import detach_filter, find_filter
from ecbpf.metrics.statsd import Statsd
from ecbpf.netdev.addresses import AddressEvents

__all__ = ["serve"]

_STOPS = (signal.SIGTERM, signal.SIGINT)


def serve(interfaces: list[str], statsd: Statsd | None = None, *, detach_on_exit: bool = False) -> None:
    """Keep the filters' local addresses up to date, and send their counts, until SIGTERM or SIGINT.

    detach_on_exit: take the filters off then. An interface that goes away, or whose filter is taken off, is left
    aside and taken up again when it is back. Raises as find_filter() at the start, as detach_filter() at the end.
    """
    with _stop_requests() as stop:
        with contextlib.closing(AddressEvents()) as events:
            for interface in interfaces:
                _update(interface)
            _until_stopped(interfaces, statsd, events, stop)
        if detach_on_exit:
            _detach(interfaces)


@contextlib.contextmanager
def _stop_requests() -> Iterator[int]:
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


def _detach(interfaces: list[str]) -> None:
    """Take off all filters that are still there. Raises what went wrong, after the others are off."""
    failures: list[EcbpfError | OSError] = []
    for interface in interfaces:
        try:
            print(f"{interface}: {detach_filter(interface)}", flush=True)
        except (BusyError, KernelError, MissingError, OSError) as error:
            failures.append(error)
        except EcbpfError as error:  # no interface, no root array, no filter any more
            _complain(error)
    for failure in failures[1:]:
        _complain(failure)
    if failures:
        raise failures[0]


def _complain(error: EcbpfError | OSError) -> None:
    print(f"ecbpf: {error}", file=sys.stderr, flush=True)


def _until_stopped(interfaces: list[str], statsd: Statsd | None, events: AddressEvents, stop: int) -> None:
    missing: dict[str, str] = {}
    following = time.monotonic()
    while not select.select([stop], [], [], max(0.0, following - time.monotonic()))[0]:
        following = max(following + 1, time.monotonic())
        is_moved = _is_moved(events)
        for interface in interfaces:
            try:
                _beat(interface, statsd, update=is_moved or interface in missing)
                missing.pop(interface, None)
            except (EcbpfError, OSError) as error:
                if missing.get(interface) != str(error):
                    _complain(error)
                missing[interface] = str(error)


def _is_moved(events: AddressEvents) -> bool:
    """Whether this host's addresses may have changed."""
    try:
        return events.changed()
    except OSError:
        return True


def _beat(interface: str, statsd: Statsd | None, *, update: bool) -> None:
    if update:
        _update(interface)
    running = find_filter(interface)
    if statsd is not None:
        statsd.send({f"xdp.filter.{name}@{interface}": count for name, count in running.counters().items()})


def _update(interface: str) -> None:
    """Tell the filter this host's addresses. Of two who do so at once the slower one would have the older ones."""
    with locked():
        find_filter(interface).update_local()
