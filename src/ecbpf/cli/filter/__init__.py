"""``ecbpf filter``."""

import argparse

from ecbpf.cli.output import set_output
from ecbpf.cli.parser import STATSD_HOST, add_dry_run, add_json, add_verbs, interfaces_of, whole_number
from ecbpf.errors import UsageError

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["add_arguments", "add_statsd_arguments", "comma_separated", "run", "statsd_address"]

_VERBS = {
    "drop": "drop packets from these sources: add them to the drop set",
    "undrop": "take them off the drop set",
    "allow": "never drop packets from these sources, whatever the drop set says: add them to the allow set",
    "unallow": "take them off the allow set",
    "list": "print the drop set, one prefix and its tag per line",
    "check": "say whether an address is dropped, and by which entry",
    "load": "add a file of prefixes to the drop set, or replace the set by the file",
    "save": "write the drop set to a file that load takes",
    "flush": "empty the drop set; the allow set stays",
}
# Words of earlier versions: the verb that each stands for, and options that it lacks.
_ALIASES: dict[str, dict[str, object]] = {
    "clear-status": {"verb": "clear"},
    "statsd": {},
    "watch": {"verb": "serve", "statsd": None, "detach_on_exit": False},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of every subprogram, and the filter's own."""
    from ecbpf.cli.subprogram import add_common_arguments, verb_texts
    from ecbpf.filter.subprogram import Filter

    made = add_verbs(
        parser, verb_texts(Filter) | {"status": "settings, listed prefixes, counts"} | _VERBS, _ALIASES
    )
    add_common_arguments(made, Filter)
    for name in ("drop", "undrop", "allow", "unallow"):
        made[name].add_argument("prefixes", metavar="PREFIX", nargs="+", help="ADDRESS or ADDRESS/LENGTH")
    for name in ("drop", "allow"):
        made[name].add_argument("--tag", metavar="TEXT", default="", help="why they are listed: at most 63 bytes")
    for name in ("drop", "undrop", "allow", "unallow", "load", "flush"):
        add_dry_run(made[name])
    for name in ("list", "check"):
        add_json(made[name])
    made["list"].add_argument("--allowed", action="store_true", help="the allow set instead of the drop set")
    made["load"].add_argument(
        "file", metavar="FILE", help="one `prefix [tag]` per line, # begins a comment; -: standard input"
    )
    made["load"].add_argument("--replace", action="store_true", help="the file replaces the drop set")
    made["save"].add_argument("file", metavar="FILE", help="-: standard output")
    made["check"].add_argument("addresses", metavar="ADDRESS", nargs="+")
    add_statsd_arguments(made["statsd"], "")
    for name, options in _ALIASES.items():
        made[name].set_defaults(**options)


def add_statsd_arguments(parser: argparse.ArgumentParser, prefix: str) -> None:
    """Host, port, and what to do at the end. prefix: of the flags."""
    parser.add_argument(f"--{prefix}host", metavar="H", help="host of the statsd daemon (127.0.0.1)")
    port = whole_number("port", 1, 65535)
    parser.add_argument(f"--{prefix}port", metavar="P", type=port, help="its UDP port (8125)")
    parser.add_argument(f"--{prefix}detach-on-exit", action="store_true", help="detach the filter when stopped")


def statsd_address(host: str | None, port: int | None) -> tuple[str, int]:
    """Host and port of the daemon that add_statsd_arguments() asked for."""
    from ecbpf.metrics.statsd import DEFAULT_PORT

    return STATSD_HOST if host is None else host, DEFAULT_PORT if port is None else port


def run(options: argparse.Namespace) -> int:
    """Do the verb."""
    set_output()
    interfaces = interfaces_of(options)
    match options.verb:
        case "status" if options.watch is None:
            from ecbpf.cli.filter.show import show_status

            show_status(interfaces, as_json=options.json)
        case "list":
            from ecbpf.cli.filter.show import show_list

            show_list(interfaces, "allow" if options.allowed else "drop", as_json=options.json)
        case "check":
            from ecbpf.cli.filter.show import show_checks

            show_checks(interfaces, comma_separated(options.addresses), as_json=options.json)
        case "save":
            from ecbpf.cli.filter.save import save

            save(interfaces, options.file)
        case "drop" | "undrop" | "allow" | "unallow" | "load" | "flush":
            _change(options, interfaces)
        case _:
            _common(options, interfaces)
    return 0


def _change(options: argparse.Namespace, interfaces: list[str]) -> None:
    from ecbpf.cli.filter import change

    match options.verb:
        case "load":
            change.load(interfaces, options.file, replace=options.replace, dry_run=options.dry_run)
        case "flush":
            change.empty(interfaces, dry_run=options.dry_run)
        case "drop" | "allow" as kind:
            prefixes = comma_separated(options.prefixes)
            change.add(interfaces, kind, prefixes, [options.tag] * len(prefixes), dry_run=options.dry_run)
        case verb:
            prefixes = comma_separated(options.prefixes)
            change.remove(interfaces, verb.removeprefix("un"), prefixes, dry_run=options.dry_run)


def _common(options: argparse.Namespace, interfaces: list[str]) -> None:
    """The verbs of every subprogram. Only a service needs the class with the sets, which costs numpy's import."""
    from ecbpf.cli import subprogram
    from ecbpf.filter.subprogram import Filter

    match options.verb:
        case "clear":
            from ecbpf.cli.filter.change import say_what_stays

            subprogram.clear(interfaces, Filter)
            say_what_stays(interfaces)
        case "serve" | "statsd":
            from ecbpf.filter.running import RunningFilter

            is_alias = options.verb == "statsd"
            statsd = statsd_address(options.host, options.port) if is_alias else options.statsd
            subprogram.serve(interfaces, Filter, statsd, detach_on_exit=options.detach_on_exit, made=RunningFilter)
        case _:
            subprogram.do(options, Filter)


def comma_separated(words: "Iterable[str]") -> list[str]:
    """The parts of words between commas. Raises UsageError if one is empty."""
    found = [part for word in words for part in word.split(",")]
    if "" in found:
        raise UsageError(repr(" ".join(words)), "nothing before or after a comma", "separate by blanks or commas")
    return found
