"""What runs beside the fast path: its counts to statsd, and this host's addresses to it."""

from __future__ import annotations

from ecbpf.chain.pins import locked
from ecbpf.fastpath.programs import Ingress
from ecbpf.fastpath.running import find_fastpath
from ecbpf.metrics.statsd import Statsd
from ecbpf.subprogram.service import serve

__all__ = ["serve_fastpath"]


class _Served:
    """The fast path of this network namespace, whichever runs at the moment."""

    name = Ingress.name

    def refresh(self) -> None:
        """Under the lock: of two that do this at once, the slower one would write the older addresses."""
        with locked():
            find_fastpath().refresh()

    def gauges(self) -> dict[str, int]:
        """``METRIC.COUNTER``."""
        return {f"{Ingress.metric}.{name}": count for name, count in find_fastpath().counters().items()}


def serve_fastpath(statsd: Statsd | None = None) -> None:
    """Look after the fast path until SIGTERM or SIGINT; see subprogram.service.serve().

    Raises as find_fastpath() at the start.
    """
    serve([_Served()], statsd)
