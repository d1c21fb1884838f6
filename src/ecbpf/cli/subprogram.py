"""The verbs that every subprogram has: attach, detach, status, set, clear, serve.

Your own subprogram gets its command line from ``sys.exit(main(Ttl))`` (docs/subprogram.md).
"""

from __future__ import annotations

import argparse
import sys

from ecbpf.cli import output
from ecbpf.cli.main import run
from ecbpf.cli.parser import (
    Parser,
    add_dry_run,
    add_interfaces,
    add_json,
    add_settings,
    add_statsd,
    add_verbs,
    add_watch,
    interfaces_of,
)
from ecbpf.subprogram import verbs
from ecbpf.subprogram.base import StatefulSubprogram
from ecbpf.subprogram.check import check_class
from ecbpf.subprogram.running import Running

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["add_common_arguments", "do", "main", "verb_texts"]

Kind = type[StatefulSubprogram]


def verb_texts(kind: Kind) -> dict[str, str]:
    """The help of the verbs that every subprogram has, by verb."""
    return {
        "attach": f"put it in slot {kind.slot}, or replace it there and keep maps, settings and counts",
        "detach": "remove it from its slot, with its maps and counts",
        "status": "show settings and counts",
        "set": "change settings, from the next packet on",
        "clear": "set the counts to zero",
        "serve": "until stopped, keep it up to date with this host's addresses and send its counts to statsd",
    }


def add_common_arguments(parsers: Mapping[str, argparse.ArgumentParser], kind: Kind) -> None:
    """The arguments of these verbs. parsers: by verb, all of them."""
    for parser in parsers.values():
        add_interfaces(parser, plain=False)
    add_settings(parsers["attach"], kind.table, needed=False)
    parsers["attach"].add_argument(
        "--filename", metavar="F", default="", help=f"another object file of the {kind.name}"
    )
    add_settings(parsers["set"], kind.table, needed=True)
    add_dry_run(parsers["set"])
    add_json(parsers["status"])
    add_watch(parsers["status"])
    add_statsd(parsers["serve"])
    parsers["serve"].add_argument(
        "--detach-on-exit", action="store_true", help="detach the subprogram when the service stops"
    )


def do(options: argparse.Namespace, kind: Kind, made: type[Running] = Running) -> int:
    """Do one of the verbs. made: the class to use for the running subprogram."""
    interfaces = interfaces_of(options)
    match options.verb:
        case "attach":
            values = kind.table.parse(options.settings)
            output.print_changes(verbs.attach(interfaces, kind(values, options.filename)))
        case "detach":
            output.print_changes(verbs.detach(interfaces, kind))
        case "status":
            if options.watch is not None:
                watch(interfaces, kind, options.watch, as_json=options.json)
            else:
                output.print_subprogram_status(verbs.status(interfaces, kind), as_json=options.json)
        case "set":
            values = kind.table.parse(options.settings)
            changes = verbs.change_settings(interfaces, kind, values, dry_run=options.dry_run)
            output.print_setting_changes(changes, dry_run=options.dry_run)
        case "clear":
            clear(interfaces, kind)
        case "serve":
            serve(interfaces, kind, options.statsd, detach_on_exit=options.detach_on_exit, made=made)
    return 0


def clear(interfaces: list[str], kind: Kind) -> None:
    """Set the counts to zero, and say so."""
    verbs.clear(interfaces, kind)
    output.print_cleared(interfaces)


def watch(interfaces: list[str], kind: Kind, pause: float, *, as_json: bool) -> None:
    """Print counts and rates every `pause` seconds until stopped."""
    from ecbpf.subprogram.rates import watch as watch_counters

    def look() -> dict[str, dict[str, int]]:
        return {running.interface: running.counters() for running in verbs.find_all(interfaces, kind)}

    for rates in watch_counters(look, pause):
        output.print_rates(rates, as_json=as_json)


def serve(
    interfaces: list[str],
    kind: Kind,
    statsd: tuple[str, int] | None,
    *,
    detach_on_exit: bool = False,
    made: type[Running] = Running,
) -> None:
    """Run the service until it is stopped. statsd: the daemon's host and port; None: send no counts."""
    import contextlib

    from ecbpf.metrics.statsd import Statsd
    from ecbpf.subprogram.service import serve_interfaces

    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(contextlib.closing(Statsd(*statsd))) if statsd else None
        output.flush()
        output.print_changes(serve_interfaces(interfaces, kind, daemon, detach_on_exit=detach_on_exit, made=made))


def main(kind: Kind, arguments: list[str] | None = None, made: type[Running] = Running) -> int:
    """The command of a subprogram; returns the exit status. arguments: None for those of this process."""
    words = sys.argv[1:] if arguments is None else arguments

    def act() -> int:
        check_class(kind)
        parser = Parser(prog=kind.command, description=kind.__doc__)
        add_common_arguments(add_verbs(parser, verb_texts(kind)), kind)
        return do(parser.parse_args(words), kind, made)

    return run(act, debug="--debug" in words)
