"""``xdp_filter``: the classic face of `ecbpf filter`."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from ecbpf.cli import filter as commands
from ecbpf.cli.main import run
from ecbpf.cli.parser import Parser, interfaces_of
from ecbpf.errors import UsageError

__all__ = ["build_parser", "main"]


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(prog="xdp_filter", description="drop sources and fragments: slot 2")
    verbs = parser.add_mutually_exclusive_group()
    verbs.add_argument("--attach", action="store_true", help="fill the slot, or replace the filter there")
    verbs.add_argument("--detach", action="store_true", help="empty it: the filter's sets and counts are gone")
    verbs.add_argument("--status", action="store_true", help="settings, dropped sources, counts")
    verbs.add_argument("--clear", action="store_true", help="drop no source any more")
    verbs.add_argument("--clear-status", action="store_true", help="set the counts to zero")
    verbs.add_argument("--drop", action="store_true", help="drop the sources --ips")
    verbs.add_argument("--no-drop", action="store_true", help="drop the sources --ips no more")
    parser.add_argument("--interface", metavar="IFACES", help="one, or several separated by , - or :")
    parser.add_argument("--ips", metavar="A/B,C/D", help="addresses and prefixes, separated by commas")
    parser.add_argument("--tags", metavar="'T1,T2'", help="with --drop: a tag for each of --ips")
    parser.add_argument("--json", action="store_true", help="with --status: as JSON")
    fragments = parser.add_mutually_exclusive_group()
    fragments.add_argument("--frags-drop", action="store_true", default=None, help="drop fragments")
    fragments.add_argument("--no-frags-drop", action="store_false", dest="frags_drop", help="let them pass")
    parser.add_argument(
        "--ptb-max-pps", metavar="N", help="Packet Too Big answers a CPU and second at most, 0: none"
    )
    parser.add_argument("--statsd", action="store_true", help="send the counts to statsd, until stopped")
    commands.add_statsd_arguments(parser, "statsd-")
    parser.add_argument("--program", metavar="F", default="", help="with --attach: another object of the filter")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def main() -> int:
    """Run the command; returns its exit status."""
    return run(lambda: _act(build_parser().parse_args()), debug="--debug" in sys.argv)


def _act(options: argparse.Namespace) -> int:
    commands.set_output()
    settings = _settings(options)
    _check(options, settings)
    interfaces = interfaces_of(options)
    if not options.statsd:
        _change_or_show(options, interfaces, settings)
        return 0
    with closing(commands.statsd_at(options.statsd_host, options.statsd_port)) as statsd:
        _change_or_show(options, interfaces, settings)
        sys.stdout.flush()
        commands.serve(interfaces, statsd, detach_on_exit=options.statsd_detach_on_exit)
    return 0


def _change_or_show(options: argparse.Namespace, interfaces: list[str], settings: dict[str, bool | int]) -> None:
    if options.attach:
        commands.attach(interfaces, settings, options.program)
    elif options.detach:
        commands.detach(interfaces)
    elif options.status:
        commands.show_status(interfaces, as_json=options.json)
    elif options.clear:
        commands.clear(interfaces)
    elif options.clear_status:
        commands.clear_status(interfaces)
    elif options.drop:
        prefixes = commands.comma_separated([options.ips])
        commands.list_all(interfaces, "drop", prefixes, _tags(options.tags, len(prefixes)), dry_run=False)
    elif options.no_drop:
        commands.unlist(interfaces, "drop", commands.comma_separated([options.ips]), dry_run=False)
    elif settings:
        commands.change_settings(interfaces, settings)


def _settings(options: argparse.Namespace) -> dict[str, bool | int]:
    from ecbpf.filter.settings import parse_setting

    settings: dict[str, bool | int] = {}
    if options.frags_drop is not None:
        settings["frags_drop"] = options.frags_drop
    if options.ptb_max_pps is not None:
        settings |= [parse_setting(f"ptb_max_pps={options.ptb_max_pps}")]
    return settings


def _check(options: argparse.Namespace, settings: dict[str, bool | int]) -> None:
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
            "give a tag for each of --ips; a comma separates them",
        )
    return tags
