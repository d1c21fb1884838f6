"""The service of a subprogram: once a second, send its counts to statsd and give it this host's new addresses."""

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
from ecbpf.subprogram.running import Running, find, find_as, find_program

__all__ = ["Served", "ServedInterface", "serve", "serve_interfaces"]


class Served(Protocol):
    """One thing that a service looks after."""

    @property
    def name(self) -> str:
        """Its name, for errors."""

    def refresh(self) -> None:
        """Called at the start, when this host's addresses may have changed, and when it is back after an error."""

    def gauges(self) -> dict[str, int]:
        """The counts, by their names in statsd."""


class ServedInterface:
    """The subprogram of one kind on one interface, whichever instance runs there at the moment."""

    def __init__(self, kind: type[StatefulSubprogram], interface: str, made: type[Running] = Running) -> None:
        """made: the class whose refresh() is called."""
        self.name = interface
        self._kind = kind
        self._made = made

    def refresh(self) -> None:
        """refresh() of the running subprogram, under the lock, so that no older addresses overwrite newer ones."""
        with locked():
            find_as(self._made, self._kind, self.name).refresh()

    def gauges(self) -> dict[str, int]:
        """The counts, by ``METRIC.COUNTER@INTERFACE``."""
        counts = find(self._kind, self.name).counters()
        return {f"{self._kind.metric}.{name}@{self.name}": count for name, count in counts.items()}


def serve(served: Sequence[Served], statsd: Statsd | None = None) -> None:
    """Look after these until SIGTERM or SIGINT.

    An error about one of them is reported once, and the others go on; it is refreshed when it is back. Raises what
    refresh() raises at the start.
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
    """serve() for a subprogram on each interface. detach_on_exit: detach it at the end; yields these changes.

    At the start raises as running.find(). At the end raises the first failure, after all others are detached.
    """
    with stop_requests() as stop:
        _until_stopped([ServedInterface(kind, interface, made) for interface in interfaces], statsd, stop)
        if detach_on_exit:
            yield from _detach(interfaces, kind)


def _detach(interfaces: list[str], kind: type[StatefulSubprogram]) -> Iterator[Change]:
    failures: list[EcbpfError | OSError] = []
    for interface in interfaces:
        try:
            yield empty(interface, kind.slot, lambda name: find_program(kind, name))
        except (BusyError, KernelError, MissingError, OSError) as error:
            failures.append(error)
        except EcbpfError as error:  # the interface, root array or subprogram is gone already
            notify(str(error))
    for failure in failures[1:]:
        notify(str(failure))
    if failures:
        raise failures[0]
