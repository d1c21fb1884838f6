"""``xdp_filter``: the classic command for `ecbpf filter`."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from ecbpf.cli.filter import add_statsd_arguments
from ecbpf.cli.main import run
from ecbpf.cli.output import flush, print_changes, set_output
from ecbpf.cli.parser import Parser, interfaces_of
from ecbpf.errors import UsageError

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from ecbpf.subprogram.settings import Values

__all__ = ["build_parser", "main"]


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(prog="xdp_filter", description="drop sources and fragments: slot 2")
    verbs = parser.add_mutually_exclusive_group()
    verbs.add_argument("--attach", action="store_true", help="put the filter in slot 2, or replace it there")
    verbs.add_argument("--detach", action="store_true", help="take it out; its sets and counts are lost")
    verbs.add_argument("--status", action="store_true", help="print settings, dropped sources, counts")
    verbs.add_argument("--clear", action="store_true", help="empty the drop set")
    verbs.add_argument("--clear-status", action="store_true", help="set the counts to zero")
    verbs.add_argument("--drop", action="store_true", help="add --ips to the drop set")
    verbs.add_argument("--no-drop", action="store_true", help="remove --ips from the drop set")
    parser.add_argument("--interface", metavar="IFACES", help="one, or several separated by , - or :")
    parser.add_argument("--ips", metavar="A/B,C/D", help="addresses and prefixes, separated by commas")
    parser.add_argument("--tags", metavar="'T1,T2'", help="with --drop: one tag for each of --ips")
    parser.add_argument("--json", action="store_true", help="with --status: as JSON")
    fragments = parser.add_mutually_exclusive_group()
    fragments.add_argument("--frags-drop", action="store_true", default=None, help="drop fragments")
    fragments.add_argument("--no-frags-drop", action="store_false", dest="frags_drop", help="let fragments pass")
    parser.add_argument(
        "--ptb-max-pps", metavar="N", help="at most N Packet Too Big answers per CPU and second, 0: none"
    )
    parser.add_argument("--statsd", action="store_true", help="send the counts to statsd, until stopped")
    add_statsd_arguments(parser, "statsd-")
    parser.add_argument("--program", metavar="F", default="", help="with --attach: another object of the filter")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def main() -> int:
    """Run the command; returns its exit status."""
    return run(lambda: _act(build_parser().parse_args()), debug="--debug" in sys.argv)


def _act(options: argparse.Namespace) -> int:
    set_output()
    settings = _settings(options)
    _check(options, settings)
    interfaces = interfaces_of(options)
    if not options.statsd:
        _change_or_show(options, interfaces, settings)
        return 0

    from ecbpf.cli.filter import statsd_address
    from ecbpf.filter.running import RunningFilter
    from ecbpf.filter.subprogram import Filter
    from ecbpf.metrics.statsd import Statsd
    from ecbpf.subprogram.service import serve_interfaces

    # Before anything changes: the host may not exist.
    with closing(Statsd(*statsd_address(options.statsd_host, options.statsd_port))) as statsd:
        _change_or_show(options, interfaces, settings)
        flush()
        detach_on_exit = options.statsd_detach_on_exit
        print_changes(
            serve_interfaces(interfaces, Filter, statsd, detach_on_exit=detach_on_exit, made=RunningFilter)
        )
    return 0


def _change_or_show(options: argparse.Namespace, interfaces: list[str], settings: Values) -> None:
    from ecbpf.filter.subprogram import Filter
    from ecbpf.subprogram import verbs

    if options.attach:
        print_changes(verbs.attach(interfaces, Filter(settings, options.program)))
    elif options.detach:
        print_changes(verbs.detach(interfaces, Filter))
    elif options.status:
        from ecbpf.cli.filter.show import show_status

        show_status(interfaces, as_json=options.json)
    elif options.clear_status:
        from ecbpf.cli.subprogram import clear

        clear(interfaces, Filter)
    elif options.clear or options.drop or options.no_drop:
        _change_set(options, interfaces)
    elif settings:
        for change in verbs.change_settings(interfaces, Filter, settings):
            after, before = (str(value).lower() for value in (change.after, change.before))
            print(f"{change.interface}: {change.name} is {after}, was {before}")


def _change_set(options: argparse.Namespace, interfaces: list[str]) -> None:
    from ecbpf.cli.filter import change, comma_separated

    if options.clear:
        change.empty(interfaces)
        return
    prefixes = comma_separated([options.ips])
    if options.drop:
        change.add(interfaces, "drop", prefixes, _tags(options.tags, len(prefixes)))
    else:
        change.remove(interfaces, "drop", prefixes)


def _settings(options: argparse.Namespace) -> Values:
    settings: Values = {}
    if options.frags_drop is not None:
        settings["frags_drop"] = options.frags_drop
    if options.ptb_max_pps is not None:
        from ecbpf.filter.subprogram import Filter

        settings |= Filter.table.parse([f"ptb_max_pps={options.ptb_max_pps}"])
    return settings


def _check(options: argparse.Namespace, settings: Values) -> None:
    """Raise UsageError for flags that do not go together."""
    lists = options.drop or options.no_drop
    others = options.detach or options.status or options.clear or options.clear_status or lists
    if lists and options.ips is None:
        raise UsageError("xdp_filter", "--drop and --no-drop need --ips", "--ips ADDRESS,ADDRESS/LENGTH")
    if not lists and options.ips is not None:
        raise UsageError("xdp_filter", "--ips goes with --drop or --no-drop")
    if options.tags is not None and not options.drop:
        raise UsageError("xdp_filter", "--tags goes with --drop")
    if options.json and not options.status:
        raise UsageError("xdp_filter", "--json goes with --status")
    if options.program and not options.attach:
        raise UsageError("xdp_filter", "--program goes with --attach")
    if settings and others:
        raise UsageError("xdp_filter", "--frags-drop, --no-frags-drop and --ptb-max-pps go with --attach or alone")
    if options.statsd and others:
        raise UsageError("xdp_filter", "--statsd goes with --attach, with settings, or alone")
    if not options.statsd and (options.statsd_host or options.statsd_port or options.statsd_detach_on_exit):
        raise UsageError("xdp_filter", "--statsd-host, --statsd-port and --statsd-detach-on-exit go with --statsd")
    if not (options.attach or others or settings or options.statsd):
        raise UsageError("xdp_filter", "nothing to do", "see xdp_filter --help")


def _tags(text: str | None, count: int) -> list[str]:
    if text is None:
        return [""] * count
    tags = [tag.strip() for tag in text.split(",")]
    if len(tags) != count:
        raise UsageError(
            f"--tags {text!r}",
            f"tags: {len(tags)}, addresses: {count}",
            "give one tag for each of --ips, separated by commas",
        )
    return tags
