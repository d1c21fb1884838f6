"""``ecbpf fastpath``."""

from __future__ import annotations

import argparse
from typing import Any

from ecbpf.cli.parser import add_interfaces, interfaces_of, whole_number
from ecbpf.errors import UsageError

__all__ = [
    "ADDRS_IFS",
    "add_arguments",
    "addresses_in",
    "change",
    "count",
    "interfaces_in",
    "load",
    "run",
    "seconds",
    "serve",
    "show_addresses",
    "show_flows",
    "show_parameters",
    "show_stats",
    "unload",
]

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecbpf.chain.settings import Settings
    from ecbpf.fastpath.addresses import AddressChange

_VERBS = {
    "load": "put ingress in slot 7 and egress at tc; or replace them there: flows, settings and counts stay",
    "unload": "take it off all interfaces, or off those that are named",
    "set": "change settings",
    "show": "interfaces, settings, the table, addresses",
    "stats": "counts; with SECONDS: rates, again and again",
    "flows": "the flows that it knows",
    "exclude": "leave addresses to IPVS, do so no more, list them",
    "statsd": "send the counts to a statsd daemon once a second, until stopped",
}


count = whole_number("number", 1, 2**28)

ADDRS_IFS = "whose addresses are left to the kernel; '': this host's own again, VIPs aside"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A parser a verb."""
    verbs = parser.add_subparsers(dest="fastpath_verb", metavar="VERB", required=True)
    made = {}
    for name, text in _VERBS.items():
        made[name] = verbs.add_parser(name, help=text, description=text)
        made[name].add_argument("--debug", action="store_true", help="show where an error came from")
    for name in ("load", "unload"):
        add_interfaces(made[name], plain=False)
        made[name].add_argument("-o", "--outbound", metavar="IFACES", help="by which IPVS sends to servers")
    _add_settings(made["load"], "*")
    _add_settings(made["set"], "+")
    made["load"].add_argument("-a", "--addrs-ifs", metavar="IFACES", help=ADDRS_IFS)
    made["load"].add_argument(
        "-e", "--exclude", metavar="A,B", action="append", default=[], help="leave these to IPVS, too"
    )
    made["load"].add_argument(
        "--flows",
        metavar="NUMBER",
        type=count,
        help="how many it is to know (1000000); another number than before begins a new table",
    )
    made["set"].add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    for name in ("show", "stats", "flows"):
        made[name].add_argument("--json", action="store_true", help="as JSON")
    made["stats"].add_argument("seconds", metavar="SECONDS", nargs="?", type=seconds, help="between two looks")
    made["stats"].add_argument("count", metavar="COUNT", nargs="?", type=count, help="of looks; without: no end")
    made["flows"].add_argument(
        "--sort", choices=("pkts", "idle"), default="pkts", help="by packets (pkts), or by who sent last"
    )
    made["flows"].add_argument("--server", metavar="MAC", type=_mac, help="only those of this server")
    made["exclude"].add_argument("what", metavar="add|del|list", choices=("add", "del", "list"))
    made["exclude"].add_argument("addresses", metavar="ADDRESS", nargs="*", default=[], help="or A,B")
    made["exclude"].add_argument("--json", action="store_true", help="with list: as JSON")
    made["statsd"].add_argument("--host", metavar="H", help="of the daemon (127.0.0.1)")
    made["statsd"].add_argument("--port", metavar="P", type=whole_number("port", 1, 65535), help="its port (8125)")


def _add_settings(parser: argparse.ArgumentParser, nargs: str) -> None:
    from ecbpf.fastpath.settings import NAMES

    parser.add_argument("settings", metavar="NAME=VALUE", nargs=nargs, help=f"NAME: {', '.join(NAMES)}")
    parser.add_argument("--force", action="store_true", help="take a vlan that this host has no interface for")


def seconds(text: str) -> float:
    """A time from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0.1 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0.1 to 86400")
    return value


def _mac(text: str) -> str:
    try:
        raw = bytes.fromhex(text.replace(":", "").replace("-", ""))
    except ValueError:
        raw = b""
    if len(raw) != 6:
        raise argparse.ArgumentTypeError(f"{text!r} is no MAC address")
    return raw.hex(":")


def run(options: argparse.Namespace) -> int:
    """Do the verb."""
    match options.fastpath_verb:
        case "load":
            from ecbpf.fastpath.settings import parse_settings

            load(
                interfaces_of(options, needed=False),
                interfaces_in(options.outbound),
                parse_settings(options.settings),
                addresses_in(excluded=options.exclude, interfaces=options.addrs_ifs),
                flows=options.flows,
                force=options.force,
            )
        case "unload":
            unload(interfaces_of(options, needed=False), interfaces_in(options.outbound))
        case "set":
            from ecbpf.fastpath.settings import parse_settings

            change(parse_settings(options.settings), force=options.force, dry_run=options.dry_run)
        case "show":
            show_parameters(as_json=options.json)
        case "stats":
            show_stats(options.seconds, options.count, as_json=options.json)
        case "flows":
            show_flows(by_silence=options.sort == "idle", server=options.server or "", as_json=options.json)
        case "exclude":
            _exclude(options)
        case "statsd":
            serve(options.host, options.port)
    return 0


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


def load(
    ingress: list[str],
    egress: list[str],
    settings: Settings,
    addresses: AddressChange,
    *,
    flows: int | None = None,
    force: bool = False,
    first: Iterable[str] = (),
) -> None:
    """Load or reload, and say so. first: lines of what was done for it."""
    from ecbpf.fastpath.load import load_fastpath

    done = load_fastpath(ingress, egress, settings, flows=flows, addresses=addresses, force=force)
    print("\n".join([*first, *done]))
    _print_doubts()


def _print_doubts() -> None:
    import sys

    from ecbpf.fastpath.checks import doubts
    from ecbpf.fastpath.director import find_director

    director = find_director()
    for doubt in doubts(director.settings, director.ingress, director.egress):
        print(f"ecbpf: warning: {doubt}", file=sys.stderr)


def unload(ingress: list[str], egress: list[str]) -> None:
    """Unload, and say so."""
    from ecbpf.fastpath.load import unload_fastpath

    named = bool(ingress or egress)
    print("\n".join(unload_fastpath(ingress if named else None, egress if named else None)))


def change(
    settings: Settings, addresses: AddressChange | None = None, *, force: bool = False, dry_run: bool = False
) -> None:
    """Change settings and addresses, all of them or none, and say what was before."""
    from ecbpf.chain.pins import locked
    from ecbpf.fastpath.director import find_director
    from ecbpf.fastpath.show import word

    with locked():
        director = find_director()
        before = director.settings
        director.check(settings, force=force)
        if addresses is not None:
            director.addresses.check(addresses)
        if not dry_run:
            director.set(settings, force=force)
        now, then = ("would be", "is") if dry_run else ("is", "was")
        for name, value in settings.items():
            print(f"{name} {now} {word(value)}, {then} {word(before[name])}")
        if addresses is not None:
            director.addresses.change(addresses)
            print(f"excluded addresses: {len(director.addresses.excluded)}")
    if settings and not dry_run:
        _print_doubts()


def show_parameters(*, as_json: bool) -> None:
    """Print what it is told and knows."""
    from ecbpf.fastpath.director import find_director
    from ecbpf.fastpath.show import parameters, parameters_text

    state = parameters(find_director())
    _print_json(state) if as_json else print(parameters_text(state))


def show_stats(pause: float | None, times: int | None, *, as_json: bool, flows: bool = False) -> None:
    """Print counts; or rates every `pause` seconds, so many times. flows: and the flows, each time."""
    from ecbpf.fastpath.director import find_director
    from ecbpf.fastpath.service import watch_rates
    from ecbpf.fastpath.show import counters_text, rates, rates_text

    if pause is None:
        counts = find_director().counters()
        _print_json(counts) if as_json else print(counters_text(counts))
        if flows:
            show_flows()
        return

    def show(before: dict[str, int], now: dict[str, int], between: float) -> None:
        if as_json:
            import json

            every = {"seconds": round(between, 3), "counts": now, "rates": rates(before, now, between)}
            print(json.dumps(every), flush=True)
        else:
            print(rates_text(now, rates(before, now, between)), flush=True)
        if flows:
            show_flows()
            print(flush=True)

    watch_rates(pause, times, show)


def show_flows(*, by_silence: bool = False, server: str = "", as_json: bool = False) -> None:
    """Print the flows."""
    import sys

    from ecbpf.fastpath.director import find_director
    from ecbpf.fastpath.show import flows_json, flows_of, flows_text

    flows = flows_of(find_director(), by_silence=by_silence, server=server)
    sys.stdout.writelines(flows_json(flows) if as_json else flows_text(flows))
    sys.stdout.flush()


def _exclude(options: argparse.Namespace) -> None:
    if options.what == "list":
        if options.addresses:
            raise UsageError("fastpath exclude list", "takes no addresses")
        show_addresses(as_json=options.json)
    elif not options.addresses:
        raise UsageError(f"fastpath exclude {options.what}", "no addresses", "ADDRESS ADDRESS or A,B")
    elif options.what == "add":
        change({}, addresses_in(excluded=options.addresses))
    else:
        change({}, addresses_in(included=options.addresses))


def show_addresses(*, as_json: bool = False) -> None:
    """Print the excluded addresses, one a line."""
    from ecbpf.fastpath.director import find_director

    excluded = [str(address) for address in find_director().addresses.excluded]
    if as_json:
        _print_json(excluded)
    else:
        print("".join(f"{address}\n" for address in excluded), end="")


def serve(host: str | None, port: int | None) -> None:
    """Send the counts to statsd until stopped."""
    from contextlib import closing

    from ecbpf.fastpath.service import serve_statsd
    from ecbpf.metrics.statsd import DEFAULT_PORT, Statsd

    with closing(Statsd(host or "127.0.0.1", port or DEFAULT_PORT)) as statsd:
        serve_statsd(statsd)


def _print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=2))
