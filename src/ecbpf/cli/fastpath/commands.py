"""What the verbs of ``ecbpf fastpath`` and the flags of ``xdp_bypass_ipvs`` do."""

from __future__ import annotations

import contextlib

from ecbpf.cli.fastpath import output
from ecbpf.cli.output import counters_text, flush, print_changes, print_cleared, print_json, print_rates
from ecbpf.fastpath.addresses import AddressChange, parse_addresses
from ecbpf.fastpath.running import find_fastpath
from ecbpf.fastpath.service import serve_fastpath
from ecbpf.fastpath.status import fastpath_flows, fastpath_status
from ecbpf.fastpath.verbs import attach_fastpath, change_fastpath, detach_fastpath
from ecbpf.metrics.statsd import Statsd
from ecbpf.netdev.interfaces import parse_list
from ecbpf.subprogram.rates import watch as watch_counters

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecbpf.chain.change import Change
    from ecbpf.subprogram.settings import Values

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
    "show_status",
    "watch",
]


def interfaces_in(text: str | None) -> list[str]:
    """The interfaces of a list that may be missing or empty. Raises DataError."""
    return parse_list(text) if text else []


def addresses_in(
    *, excluded: list[str] | None = None, included: list[str] | None = None, interfaces: str | None = None
) -> AddressChange:
    """A change of addresses as it is typed. Raises UsageError, DataError."""
    return AddressChange(
        excluded=parse_addresses(excluded) if excluded else (),
        included=parse_addresses(included) if included else (),
        interfaces=None if interfaces is None else interfaces_in(interfaces),
    )


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
    done = attach_fastpath(ingress, egress, settings, flows=flows, addresses=addresses, force=force)
    output.print_attached(done, before)


def detach(ingress: list[str], egress: list[str]) -> None:
    """Take it off, and say so."""
    named = bool(ingress or egress)
    print_changes(detach_fastpath(ingress if named else None, egress if named else None))


def change(
    settings: Values, addresses: AddressChange | None = None, *, force: bool = False, dry_run: bool = False
) -> None:
    """Change settings and addresses, all of them or none, and say what was before."""
    done = change_fastpath(settings, addresses, force=force, dry_run=dry_run)
    output.print_changed(done, dry_run=dry_run)


def clear() -> None:
    """Set the counts to zero, and say so."""
    running = find_fastpath()
    running.clear()
    print_cleared([running.kind.name])


def show_status(*, counters: bool, as_json: bool = False) -> None:
    """Print everything but the flows. counters: the counts too."""
    output.print_status(fastpath_status(), counters=counters, as_json=as_json)


def show_counters(*, as_json: bool = False) -> None:
    """Print the counts."""
    counts = find_fastpath().counters()
    print_json(counts) if as_json else print(counters_text(counts))


def watch(pause: float, times: int | None = None, *, as_json: bool = False, flows: bool = False) -> None:
    """Print counts and rates every `pause` seconds, so many times or until stopped. flows: and the flows."""
    for rates in watch_counters(lambda: {"": find_fastpath().counters()}, pause, times):
        print_rates(rates, as_json=as_json)
        if flows:
            show_flows()
            print(flush=True)


def show_flows(*, by_silence: bool = False, server: str = "", as_json: bool = False) -> None:
    """Print the flows."""
    output.print_flows(fastpath_flows(by_silence=by_silence, server=server), as_json=as_json)


def show_excluded(*, as_json: bool = False) -> None:
    """Print the excluded addresses, one per line."""
    output.print_addresses(find_fastpath().addresses.excluded, as_json=as_json)


def serve(statsd: tuple[str, int] | None) -> None:
    """Run the service until it is stopped. statsd: host and port of the daemon, None: no counts are sent."""
    flush()
    with contextlib.ExitStack() as stack:
        serve_fastpath(stack.enter_context(contextlib.closing(Statsd(*statsd))) if statsd else None)
