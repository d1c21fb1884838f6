"""The loop that runs beside a subprogram: its counts to statsd, and this host's addresses to it, once a second."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from ecbpf.chain.change import Change
from ecbpf.chain.pins import locked
from ecbpf.chain.slots import empty
from ecbpf.errors import BusyError, EcbpfError, KernelError, MissingError
from ecbpf.metrics.statsd import Statsd
from ecbpf.netdev.addresses import AddressEvents
from ecbpf.notices import notify
from ecbpf.subprogram.base import StatefulSubprogram
from ecbpf.subprogram.beat import Complaints, every_second, stop_requests
from ecbpf.subprogram.running import Running, find, find_as

__all__ = ["Served", "ServedInterface", "serve", "serve_interfaces"]


class Served(Protocol):
    """One thing that a service looks after. name: for errors."""

    @property
    def name(self) -> str:
        """What errors call it."""

    def refresh(self) -> None:
        """Called at the start, when addresses of this host may have changed, and when it is back."""

    def gauges(self) -> dict[str, int]:
        """The counts, by the names that statsd gets."""


class ServedInterface:
    """The subprogram of one kind on one interface, whichever runs there at the moment."""

    def __init__(self, kind: type[StatefulSubprogram], interface: str, made: type[Running] = Running) -> None:
        """made: the class whose refresh() is called."""
        self.name = interface
        self._kind = kind
        self._made = made

    def refresh(self) -> None:
        """Under the lock: of two who do so at once the slower one would have the older addresses."""
        with locked():
            find_as(self._made, self._kind, self.name).refresh()

    def gauges(self) -> dict[str, int]:
        """``METRIC.COUNTER@INTERFACE``."""
        counts = find(self._kind, self.name).counters()
        return {f"{self._kind.metric}.{name}@{self.name}": count for name, count in counts.items()}


def serve(served: Sequence[Served], statsd: Statsd | None = None) -> None:
    """Look after these until SIGTERM or SIGINT.

    One that goes away is reported once and left aside, and taken up again when it is back. Raises what refresh()
    raises at the start.
    """
    with stop_requests() as stop:
        _until_stopped(served, statsd, stop)


def _until_stopped(served: Sequence[Served], statsd: Statsd | None, stop: int) -> None:
    with contextlib.closing(AddressEvents()) as events:
        for each in served:
            each.refresh()
        missing = Complaints()
        for _ in every_second(stop):
            have_moved = events.changed()
            for each in served:
                is_back = each.name in missing
                with missing.about(each.name):
                    if have_moved or is_back:
                        each.refresh()
                    gauges = each.gauges()
                    if statsd is not None:
                        statsd.send(gauges)


def serve_interfaces(
    interfaces: list[str],
    kind: type[StatefulSubprogram],
    statsd: Statsd | None = None,
    *,
    detach_on_exit: bool = False,
    made: type[Running] = Running,
) -> Iterator[Change]:
    """serve() for a subprogram on each interface. detach_on_exit: take it off at the end; yields each such change.

    Raises as running.find() at the start; at the end what went wrong, after the others are off.
    """
    with stop_requests() as stop:
        _until_stopped([ServedInterface(kind, interface, made) for interface in interfaces], statsd, stop)
        if detach_on_exit:
            yield from _detach(interfaces, kind)


def _detach(interfaces: list[str], kind: type[StatefulSubprogram]) -> Iterator[Change]:
    failures: list[EcbpfError | OSError] = []
    for interface in interfaces:
        try:
            yield empty(interface, kind.slot, lambda name: find(kind, name))
        except (BusyError, KernelError, MissingError, OSError) as error:
            failures.append(error)
        except EcbpfError as error:  # no interface, no root array, or it is not there any more
            notify(str(error))
    for failure in failures[1:]:
        notify(str(failure))
    if failures:
        raise failures[0]
