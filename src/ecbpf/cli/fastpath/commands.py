"""What the verbs of ``ecbpf fastpath`` and the flags of ``xdp_bypass_ipvs`` do."""

from __future__ import annotations

import contextlib
import sys

from ecbpf.cli.fastpath import output
from ecbpf.cli.output import counters_text, print_json, print_rates, warn

__all__ = [
    "addresses_in",
    "attach",
    "change",
    "clear",
    "detach",
    "interfaces_in",
    "serve",
    "show_counters",
    "show_excluded",
    "show_flows",
    "show_parameters",
    "show_status",
    "statsd_at",
    "watch",
]

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecbpf.chain.change import Change
    from ecbpf.fastpath.addresses import AddressChange
    from ecbpf.fastpath.status import FastPathStatus
    from ecbpf.subprogram.settings import Values


def interfaces_in(text: str | None) -> list[str]:
    """The interfaces of a list that may be missing or empty. Raises DataError."""
    from ecbpf.netdev.interfaces import parse_list

    return parse_list(text) if text else []


def addresses_in(
    *, excluded: list[str] | None = None, included: list[str] | None = None, interfaces: str | None = None
) -> AddressChange:
    """A change of addresses as it is typed. Raises UsageError, DataError."""
    from ecbpf.fastpath.addresses import AddressChange, parse_addresses

    return AddressChange(
        excluded=parse_addresses(excluded) if excluded else (),
        included=parse_addresses(included) if included else (),
        interfaces=None if interfaces is None else interfaces_in(interfaces),
    )


def statsd_at(host: str | None = None, port: int | None = None) -> tuple[str, int]:
    """Host and port of a statsd daemon; of this host's where they are left out."""
    from ecbpf.metrics.statsd import DEFAULT_PORT

    return host or "127.0.0.1", port or DEFAULT_PORT


def attach(
    ingress: list[str],
    egress: list[str],
    settings: Values,
    addresses: AddressChange,
    *,
    flows: int | None = None,
    force: bool = False,
    before: Iterable[Change] = (),
) -> None:
    """Attach or replace, and say so. before: what was done for it."""
    from ecbpf.fastpath.verbs import attach_fastpath

    done = attach_fastpath(ingress, egress, settings, flows=flows, addresses=addresses, force=force)
    output.print_attached(done, before)
    _warn_of_egress()


def _warn_of_egress() -> None:
    from ecbpf.fastpath.checks import egress_without_clients
    from ecbpf.fastpath.running import find_fastpath

    running = find_fastpath()
    for interface in egress_without_clients(running.settings, running.ingress, running.egress):
        warn(
            f"{interface}: no packets of clients come in here, so flows that IPVS sends by it are left to IPVS; "
            "see redirect and vlan in docs/fastpath.md"
        )


def detach(ingress: list[str], egress: list[str]) -> None:
    """Take it off, and say so."""
    from ecbpf.fastpath.verbs import detach_fastpath

    named = bool(ingress or egress)
    output.print_changes(detach_fastpath(ingress if named else None, egress if named else None))


def change(
    settings: Values, addresses: AddressChange | None = None, *, force: bool = False, dry_run: bool = False
) -> None:
    """Change settings and addresses, all of them or none, and say what was before."""
    from ecbpf.fastpath.verbs import change_fastpath

    done = change_fastpath(settings, addresses, force=force, dry_run=dry_run)
    output.print_changed(done, dry_run=dry_run)
    if settings and not dry_run:
        _warn_of_egress()


def clear() -> None:
    """Set the counts to zero, and say so."""
    from ecbpf.fastpath.running import find_fastpath

    running = find_fastpath()
    running.clear()
    print(f"{running.kind.name}: counts cleared")


def show_status(*, as_json: bool) -> None:
    """Print everything but the flows."""
    output.print_status(_status(), as_json=as_json)


def show_parameters(*, as_json: bool) -> None:
    """Print the same without counts."""
    output.print_parameters(_status(), as_json=as_json)


def _status() -> FastPathStatus:
    from ecbpf.fastpath.running import find_fastpath
    from ecbpf.fastpath.status import status_of

    return status_of(find_fastpath())


def show_counters(*, as_json: bool) -> None:
    """Print the counts."""
    counts = _counters()
    print_json(counts) if as_json else print(counters_text(counts))


def watch(pause: float, times: int | None = None, *, as_json: bool = False, flows: bool = False) -> None:
    """Print counts and rates every `pause` seconds, so many times or until stopped. flows: and the flows."""
    from ecbpf.subprogram.rates import watch as watch_counters

    for rates in watch_counters(lambda: {"": _counters()}, pause, times):
        print_rates(rates, as_json=as_json)
        if flows:
            show_flows()
            print(flush=True)


def _counters() -> dict[str, int]:
    from ecbpf.fastpath.running import find_fastpath

    return find_fastpath().counters()


def show_flows(*, by_silence: bool = False, server: str = "", as_json: bool = False) -> None:
    """Print the flows."""
    from ecbpf.fastpath.flows import iterate_flows
    from ecbpf.fastpath.running import find_fastpath

    table = find_fastpath().flow_table
    output.print_flows(iterate_flows(table, by_silence=by_silence, server=server), as_json=as_json)


def show_excluded(*, as_json: bool = False) -> None:
    """Print the excluded addresses, one per line."""
    from ecbpf.fastpath.running import find_fastpath

    output.print_addresses(find_fastpath().addresses.excluded, as_json=as_json)


def serve(statsd: tuple[str, int] | None) -> None:
    """Run the service until it is stopped. statsd: host and port of the daemon, None: no counts are sent."""
    from ecbpf.fastpath.service import serve_fastpath
    from ecbpf.metrics.statsd import Statsd

    sys.stdout.flush()
    with contextlib.ExitStack() as stack:
        serve_fastpath(stack.enter_context(contextlib.closing(Statsd(*statsd))) if statsd else None)
