"""The command line of ``ecbpf fastpath``."""

from __future__ import annotations

import argparse

from ecbpf.cli.parser import (
    STATSD_HOST,
    add_dry_run,
    add_json,
    add_settings,
    add_statsd,
    add_verbs,
    add_watch,
    interfaces_of,
    seconds,
    whole_number,
)
from ecbpf.errors import UsageError
from ecbpf.fastpath.settings import TABLE
from ecbpf.metrics.statsd import DEFAULT_PORT
from ecbpf.netdev.interfaces import parse_list

__all__ = ["ADDRS_IFS", "add_arguments", "count", "run"]

_VERBS = {
    "attach": "put ingress in slot 7 and egress at tc, or replace them there: flows, settings and counts stay",
    "detach": "take it off the named interfaces; off all if none are named",
    "status": "interfaces, settings, flow table, addresses, counts",
    "set": "change settings: the next packet meets them",
    "clear": "set the counts to zero",
    "serve": "keep it up to date with this host's addresses, and send its counts to statsd, until stopped",
    "flows": "the flows that it has learned",
    "exclude": "leave addresses to IPVS, stop that, list them",
}
_ALIASES = ("load", "unload", "show", "stats", "statsd")  # words of earlier versions

ADDRS_IFS = "whose addresses are left to the kernel; '': this host's own again, VIPs aside"

count = whole_number("number", 1, 2**28)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One parser per verb."""
    verbs = add_verbs(parser, _VERBS, _ALIASES)
    for name in ("attach", "load"):
        _add_attach(verbs[name])
    for name in ("detach", "unload"):
        _add_interfaces(verbs[name], "take off both programs", "take off egress alone")
    for name in ("status", "show", "stats", "flows"):
        add_json(verbs[name])
    add_watch(verbs["status"])
    verbs["status"].set_defaults(count=None)
    verbs["stats"].add_argument("watch", metavar="SECONDS", nargs="?", type=seconds)
    verbs["stats"].add_argument("count", metavar="COUNT", nargs="?", type=count)
    add_settings(verbs["set"], TABLE, needed=True)
    _add_force(verbs["set"])
    add_dry_run(verbs["set"])
    add_statsd(verbs["serve"])
    verbs["statsd"].add_argument("--host", metavar="H", default=STATSD_HOST)
    verbs["statsd"].add_argument("--port", metavar="P", type=whole_number("port", 1, 65535), default=DEFAULT_PORT)
    verbs["flows"].add_argument(
        "--sort", choices=("pkts", "idle"), default="pkts", help="by packets (pkts), or by latest packet (idle)"
    )
    verbs["flows"].add_argument("--server", metavar="MAC", type=_mac, help="only flows of this server")
    verbs["exclude"].add_argument("what", metavar="add|del|list", choices=("add", "del", "list"))
    verbs["exclude"].add_argument("addresses", metavar="ADDRESS", nargs="*", default=[], help="or A,B")
    verbs["exclude"].add_argument("--json", action="store_true", help="with list: as JSON")


def _add_interfaces(parser: argparse.ArgumentParser, inbound: str, outbound: str) -> None:
    parser.add_argument("-i", "--interface", metavar="IFACES", action="append", help=inbound)
    parser.add_argument("-o", "--outbound", metavar="IFACES", action="append", default=[], help=outbound)


def _add_attach(parser: argparse.ArgumentParser) -> None:
    _add_interfaces(parser, "where client packets come in", "by which IPVS sends to servers")
    add_settings(parser, TABLE, needed=False)
    _add_force(parser)
    parser.add_argument("-a", "--addrs-ifs", metavar="IFACES", help=ADDRS_IFS)
    parser.add_argument(
        "-e", "--exclude", metavar="A,B", action="append", default=[], help="leave these addresses to IPVS"
    )
    parser.add_argument(
        "--flows",
        metavar="NUMBER",
        type=count,
        help="size of the flow table (1000000); another number than before begins a new table",
    )


def _add_force(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="allow a vlan that this host has no interface for")


def _mac(text: str) -> str:
    try:
        raw = bytes.fromhex(text.replace(":", "").replace("-", ""))
    except ValueError:
        raw = b""
    if len(raw) != 6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid MAC address")
    return raw.hex(":")


def run(options: argparse.Namespace) -> int:
    """Do the verb."""
    from ecbpf.cli.fastpath import commands

    match options.verb:
        case "attach" | "load":
            commands.attach(
                interfaces_of(options, needed=False),
                _outbound(options),
                TABLE.parse(options.settings),
                commands.addresses_in(excluded=options.exclude, interfaces=options.addrs_ifs),
                flows=options.flows,
                force=options.force,
            )
        case "detach" | "unload":
            commands.detach(interfaces_of(options, needed=False), _outbound(options))
        case "status" | "stats" if options.watch is not None:
            commands.watch(options.watch, options.count, as_json=options.json)
        case "status" | "show" as verb:
            commands.show_status(counters=verb == "status", as_json=options.json)
        case "stats":
            commands.show_counters(as_json=options.json)
        case "set":
            commands.change(TABLE.parse(options.settings), force=options.force, dry_run=options.dry_run)
        case "clear":
            commands.clear()
        case "serve":
            commands.serve(options.statsd)
        case "statsd":
            commands.serve((options.host, options.port))
        case "flows":
            by_silence = options.sort == "idle"
            commands.show_flows(by_silence=by_silence, server=options.server or "", as_json=options.json)
        case "exclude":
            _exclude(options)
    return 0


def _outbound(options: argparse.Namespace) -> list[str]:
    return list(dict.fromkeys(name for text in options.outbound for name in parse_list(text)))


def _exclude(options: argparse.Namespace) -> None:
    from ecbpf.cli.fastpath import commands

    if options.what == "list":
        if options.addresses:
            raise UsageError("fastpath exclude list", "takes no addresses")
        commands.show_excluded(as_json=options.json)
        return
    if not options.addresses:
        raise UsageError(f"fastpath exclude {options.what}", "no addresses given", "ADDRESS ADDRESS or A,B")
    excluded, included = (options.addresses, []) if options.what == "add" else ([], options.addresses)
    commands.change({}, commands.addresses_in(excluded=excluded, included=included))
