"""``ecbpf filter``."""

from __future__ import annotations

import argparse
import io
import sys
from contextlib import closing
from typing import Any

from ecbpf.cli.parser import add_interfaces, interfaces_of, whole_number
from ecbpf.errors import UsageError

__all__ = [
    "add_arguments",
    "add_statsd_arguments",
    "attach",
    "change_settings",
    "clear",
    "clear_status",
    "comma_separated",
    "detach",
    "list_all",
    "print_host_bits",
    "print_json",
    "print_summaries",
    "run",
    "serve",
    "set_output",
    "show_status",
    "statsd_at",
    "unlist",
]

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from ecbpf.filter.change import Summary
    from ecbpf.metrics.statsd import Statsd

_VERBS = {
    "attach": "put the filter in slot 2, or replace it there: sets, settings and counts stay",
    "detach": "take it out, with its sets and counts",
    "status": "settings, listed prefixes, counts",
    "clear": "empty the drop set",
    "clear-status": "set the counts to zero",
    "drop": "drop packets of these sources: add them to the drop set",
    "undrop": "take them out of the drop set",
    "allow": "never drop these sources, whatever the drop set says: add them to the allow set",
    "unallow": "take them out of the allow set",
    "list": "print the drop set, a prefix and its tag a line",
    "load": "add a file of prefixes to the drop set, or replace it by the file",
    "save": "write the drop set to a file that load takes",
    "set": "change settings",
    "check": "say whether an address is dropped, and by which entry",
    "statsd": "send the counts to a statsd daemon once a second, until stopped",
    "watch": "tell the filter when this host's own addresses change, until stopped",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A parser a verb."""
    from ecbpf.filter.settings import DEFAULTS

    verbs = parser.add_subparsers(dest="filter_verb", metavar="VERB", required=True)
    made = {}
    for name, text in _VERBS.items():
        made[name] = verbs.add_parser(name, help=text, description=text)
        add_interfaces(made[name], plain=False)
        made[name].add_argument("--debug", action="store_true", help="show where an error came from")
    for name in ("drop", "undrop", "allow", "unallow"):
        made[name].add_argument("prefixes", metavar="PREFIX", nargs="+", help="ADDRESS or ADDRESS/LENGTH")
    for name in ("drop", "allow"):
        made[name].add_argument("--tag", metavar="TEXT", default="", help="why they are there: 63 bytes at most")
    for name in ("drop", "undrop", "allow", "unallow", "load", "clear", "set"):
        made[name].add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    for name in ("status", "list", "check"):
        made[name].add_argument("--json", action="store_true", help="as JSON")
    made["list"].add_argument("--allowed", action="store_true", help="the allow set instead of the drop set")
    made["load"].add_argument("file", metavar="FILE", help="`prefix [tag]` a line, # begins a comment; -: stdin")
    made["load"].add_argument("--replace", action="store_true", help="the drop set becomes what the file says")
    made["save"].add_argument("file", metavar="FILE", help="-: standard output")
    made["set"].add_argument("settings", metavar="NAME=VALUE", nargs="+", help=f"NAME: {', '.join(DEFAULTS)}")
    made["check"].add_argument("addresses", metavar="ADDRESS", nargs="+")
    made["attach"].add_argument("settings", metavar="NAME=VALUE", nargs="*", help="settings, as for set")
    made["attach"].add_argument("--filename", metavar="F", default="", help="another object of the filter")
    add_statsd_arguments(made["statsd"], "")


def add_statsd_arguments(parser: argparse.ArgumentParser, prefix: str) -> None:
    """Host, port, what to do at the end. prefix: of the flags."""
    parser.add_argument(f"--{prefix}host", metavar="H", help="of the daemon (127.0.0.1)")
    port = whole_number("port", 1, 65535)
    parser.add_argument(f"--{prefix}port", metavar="P", type=port, help="its port (8125)")
    parser.add_argument(f"--{prefix}detach-on-exit", action="store_true", help="take the filter off when stopped")


def run(options: argparse.Namespace) -> int:
    """Do the verb."""
    set_output()
    interfaces = interfaces_of(options)
    match options.filter_verb:
        case "attach":
            attach(interfaces, _settings(options.settings), options.filename)
        case "detach":
            detach(interfaces)
        case "status":
            show_status(interfaces, as_json=options.json)
        case "clear":
            clear(interfaces, dry_run=options.dry_run)
        case "clear-status":
            clear_status(interfaces)
        case "drop" | "allow":
            prefixes = comma_separated(options.prefixes)
            tags = [options.tag] * len(prefixes)
            list_all(interfaces, options.filter_verb, prefixes, tags, dry_run=options.dry_run)
        case "undrop" | "unallow":
            kind = options.filter_verb.removeprefix("un")
            unlist(interfaces, kind, comma_separated(options.prefixes), dry_run=options.dry_run)
        case "set":
            change_settings(interfaces, _settings(options.settings), dry_run=options.dry_run)
        case "statsd":
            with closing(statsd_at(options.host, options.port)) as statsd:
                serve(interfaces, statsd, detach_on_exit=options.detach_on_exit)
        case "watch":
            serve(interfaces)
        case _:
            from ecbpf.cli import filter_lists

            filter_lists.run(options, interfaces)
    return 0


def set_output(encoding: str | None = None) -> None:
    """Escape what the encoding of standard output lacks: tags are any text. encoding: use that one from now on."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def attach(interfaces: list[str], settings: dict[str, bool | int], filename: str = "") -> None:
    """Put the filter on each interface, and say so."""
    from ecbpf.chain.occupant import find_root
    from ecbpf.filter.running import attach_filter

    for interface in interfaces:
        find_root(interface)
    for interface in interfaces:
        print(f"{interface}: {attach_filter(interface, settings, filename)}")


def detach(interfaces: list[str]) -> None:
    """Take the filter off each interface, and say so."""
    from ecbpf.filter.running import detach_filter, find_filter

    for interface in interfaces:
        find_filter(interface)
    for interface in interfaces:
        print(f"{interface}: {detach_filter(interface)}")


def show_status(interfaces: list[str], *, as_json: bool) -> None:
    """Print the filters' state; as JSON under each name if there are several."""
    from ecbpf.filter.status import filter_status, filter_status_text

    states = {interface: filter_status(interface) for interface in interfaces}
    if as_json:
        print_json(states)
    else:
        print("\n\n".join(filter_status_text(interface, state) for interface, state in states.items()))


def print_json(by_interface: dict[str, Any]) -> None:
    """Of one interface what is said of it, of several an object with their names. In UTF-8 (RFC 8259)."""
    import json

    set_output("utf-8")
    shown = by_interface if len(by_interface) > 1 else next(iter(by_interface.values()))
    print(json.dumps(shown, indent=2, ensure_ascii=False))


def clear(interfaces: list[str], *, dry_run: bool = False) -> None:
    """Empty the drop sets, and say so."""
    from ecbpf.filter.change import clear_lists

    print_summaries(clear_lists(interfaces, dry_run=dry_run), dry_run=dry_run)


def clear_status(interfaces: list[str]) -> None:
    """Zero the counts, and say so."""
    from ecbpf.filter.running import find_filter

    for running in [find_filter(interface) for interface in interfaces]:
        running.clear_counters()
        print(f"{running.interface}: counts cleared")


def list_all(interfaces: list[str], kind: str, prefixes: list[str], tags: list[str], *, dry_run: bool) -> None:
    """List prefixes, each with its tag, in the drop or allow set, and say so."""
    import time

    from ecbpf.filter.batch import batch_of
    from ecbpf.filter.change import list_prefixes

    batch = batch_of(prefixes, tags, time=int(time.time()))
    summaries = list_prefixes(interfaces, kind, batch, dry_run=dry_run)
    print_host_bits(batch.had_host_bits, batch.example)
    print_summaries(summaries, dry_run=dry_run)


def unlist(interfaces: list[str], kind: str, texts: list[str], *, dry_run: bool) -> None:
    """Take prefixes off the drop or allow set, and say so."""
    from ecbpf.filter.batch import host_bits
    from ecbpf.filter.change import unlist_prefixes
    from ecbpf.filter.prefix import parse_prefix

    prefixes = [parse_prefix(text) for text in texts]
    summaries = unlist_prefixes(interfaces, kind, prefixes, dry_run=dry_run)
    print_host_bits(*host_bits(texts, prefixes))
    print_summaries(summaries, dry_run=dry_run)


def change_settings(interfaces: list[str], settings: dict[str, bool | int], *, dry_run: bool = False) -> None:
    """Change settings of each filter, and say what was before."""
    from ecbpf.filter.running import find_filter
    from ecbpf.filter.settings import check_settings

    every = [find_filter(interface) for interface in interfaces]
    for running in every:
        check_settings(running.settings, settings)
    for running in every:
        before = running.settings
        if not dry_run:
            running.set(settings)
        for name, value in settings.items():
            now, then = ("would be", "is") if dry_run else ("is", "was")
            print(f"{running.interface}: {name} {now} {_word(value)}, {then} {_word(before[name])}")


def statsd_at(host: str | None, port: int | None) -> Statsd:
    """The statsd daemon that the command line names. Raises DataError if there is no such host."""
    from ecbpf.metrics.statsd import DEFAULT_PORT, Statsd

    return Statsd("127.0.0.1" if host is None else host, DEFAULT_PORT if port is None else port)


def serve(interfaces: list[str], statsd: Statsd | None = None, *, detach_on_exit: bool = False) -> None:
    """Keep the filters' local addresses current, and send the counts to statsd, until stopped."""
    from ecbpf.filter.service import serve as serve_interfaces

    serve_interfaces(interfaces, statsd, detach_on_exit=detach_on_exit)


def print_host_bits(count: int, example: str) -> None:
    """Say that prefixes were not as given. count: how many; example: the first of them."""
    from ecbpf.filter.prefix import parse_prefix

    if count:
        others = f", and {count - 1} more" if count > 1 else ""
        print(f"host bits cleared: {example} is {parse_prefix(example)}{others}")


def print_summaries(summaries: list[Summary], *, dry_run: bool) -> None:
    """Say what was done to each interface; warnings go to standard error."""
    for each in summaries:
        parts = [(each.added, "added"), (each.removed, "removed"), (each.renewed, "renewed")]
        done = ", ".join(f"{count} {what}" for count, what in parts if count)
        would = "dry run: " if dry_run else ""
        print(f"{each.interface}: {would}{done or 'nothing to change'}; {each.total} in the {each.kind} set")
        for note in each.notes:
            print(f"{each.interface}: {note}")
        for warning in each.warnings:
            print(f"ecbpf: warning: {warning}", file=sys.stderr)


def comma_separated(words: list[str]) -> list[str]:
    """The parts of words between commas. Raises UsageError if one is empty."""
    found = [part for word in words for part in word.split(",")]
    if "" in found:
        raise UsageError(repr(" ".join(words)), "nothing before or after a comma", "separate by blanks or commas")
    return found


def _settings(texts: list[str]) -> dict[str, bool | int]:
    from ecbpf.filter.settings import parse_setting

    return dict(parse_setting(text) for text in texts)


def _word(value: bool | int) -> str:
    return str(value).lower()
