"""What runs beside a filter: its counts to statsd, and this host's addresses to it, once a second."""

from __future__ import annotations

import contextlib

from ecbpf.chain.pins import locked
from ecbpf.errors import BusyError, EcbpfError, KernelError, MissingError
from ecbpf.filter.running import detach_filter, find_filter
from ecbpf.metrics.beat import Complaints, complain, every_second, stop_requests
from ecbpf.metrics.statsd import Statsd
from ecbpf.netdev.addresses import AddressEvents

__all__ = ["serve"]


def serve(interfaces: list[str], statsd: Statsd | None = None, *, detach_on_exit: bool = False) -> None:
    """Keep the filters' local addresses up to date, and send their counts, until SIGTERM or SIGINT.

    detach_on_exit: take the filters off then. An interface that goes away, or whose filter is taken off, is left
    aside and taken up again when it is back. Raises as find_filter() at the start, as detach_filter() at the end.
    """
    with stop_requests() as stop:
        with contextlib.closing(AddressEvents()) as events:
            for interface in interfaces:
                _update(interface)
            _until_stopped(interfaces, statsd, events, stop)
        if detach_on_exit:
            _detach(interfaces)


def _detach(interfaces: list[str]) -> None:
    """Take off all filters that are still there. Raises what went wrong, after the others are off."""
    failures: list[EcbpfError | OSError] = []
    for interface in interfaces:
        try:
            print(f"{interface}: {detach_filter(interface)}", flush=True)
        except (BusyError, KernelError, MissingError, OSError) as error:
            failures.append(error)
        except EcbpfError as error:  # no interface, no root array, no filter any more
            complain(error)
    for failure in failures[1:]:
        complain(failure)
    if failures:
        raise failures[0]


def _until_stopped(interfaces: list[str], statsd: Statsd | None, events: AddressEvents, stop: int) -> None:
    missing = Complaints()
    for _ in every_second(stop):
        is_moved = events.changed()
        for interface in interfaces:
            update = is_moved or interface in missing
            with missing.about(interface):
                _beat(interface, statsd, update=update)


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
