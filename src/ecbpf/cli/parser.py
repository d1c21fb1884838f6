"""Arguments that several commands have, and their parser."""

import argparse
import os

from ecbpf.errors import UsageError
from ecbpf.netdev.interfaces import parse_list

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, NoReturn

    from ecbpf.subprogram.settings import SettingTable

__all__ = [
    "STATSD_HOST",
    "Parser",
    "add_dry_run",
    "add_interfaces",
    "add_json",
    "add_settings",
    "add_statsd",
    "add_verbs",
    "add_watch",
    "interfaces_of",
    "seconds",
    "whole_number",
]

_DEFAULT_WATCH = 1.0
STATSD_HOST = "127.0.0.1"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Finds the terminal's width without shutil, which argparse would load for every command."""

    def __init__(self, prog: str) -> None:
        try:
            width = os.get_terminal_size().columns
        except OSError:
            width = 100
        super().__init__(prog, width=width - 2)


class Parser(argparse.ArgumentParser):
    """argparse with ecbpf's errors: one line, exit status 64."""

    def __init__(self, **values: "Any") -> None:
        super().__init__(formatter_class=_Formatter, **values)

    def error(self, message: str) -> "NoReturn":
        """Raise UsageError."""
        raise UsageError(self.prog, message, f"see {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: "Any") -> None:
        """As argparse's, but words that --help does not list are not offered either."""
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            listed = ", ".join(repr(each.dest) for each in action._choices_actions)
            raise argparse.ArgumentError(action, f"invalid choice: {value!r} (choose from {listed})")
        super()._check_value(action, value)


def add_verbs(
    parser: argparse.ArgumentParser, verbs: "Mapping[str, str]", aliases: "Iterable[str]" = ()
) -> "dict[str, argparse.ArgumentParser]":
    """One parser per verb, by name; the chosen verb is in options.verb. verbs: each with its help.

    aliases: verbs of earlier versions, which --help does not list.
    """
    added = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    made = {name: added.add_parser(name, help=text, description=text) for name, text in verbs.items()}
    made |= {name: added.add_parser(name) for name in aliases}
    for each in made.values():
        each.add_argument("--debug", action="store_true", help="show where an error came from")
    return made


def add_interfaces(parser: argparse.ArgumentParser, *, plain: bool) -> None:
    """``-i IFACES``; plain: IFACES also without the flag."""
    parser.add_argument(
        "-i",
        "--interface",
        metavar="IFACES",
        action="append",
        help="one interface, or several separated by , - or :",
    )
    if plain:
        parser.add_argument("interfaces", metavar="IFACES", nargs="*", help="the same without the flag")


def interfaces_of(options: argparse.Namespace, *, needed: bool = True) -> list[str]:
    """The interfaces on the command line, each once. Raises DataError; UsageError if needed and there are none."""
    flagged = options.interface or []
    given = [*([flagged] if isinstance(flagged, str) else flagged), *getattr(options, "interfaces", [])]
    found = list(dict.fromkeys(name for text in given for name in parse_list(text)))
    if needed and not found:
        raise UsageError("interface", "none given", "--interface IFACES: one, or several separated by commas")
    return found


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """``--dry-run``."""
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")


def add_watch(parser: argparse.ArgumentParser) -> None:
    """``--watch [SECONDS]``: options.watch is the interval, None without the flag."""
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=seconds,
        const=_DEFAULT_WATCH,
        help="print counts and rates every SECONDS (1) until stopped",
    )


def add_settings(parser: argparse.ArgumentParser, table: "SettingTable", *, needed: bool) -> None:
    """``NAME=VALUE …``, with a list of settings at the end of the help. The table is in options.table."""
    parser.set_defaults(table=table)
    names = ", ".join(table.rows) or "there are none"
    parser.add_argument(
        "settings", metavar="NAME=VALUE", nargs="+" if needed else "*", help=f"settings; NAME: {names}"
    )
    if table.rows:
        width = max(map(len, table.rows))
        lines = [
            f"  {row.name:{width}}  {row.help} ({row.range}; {row.shown_default})" for row in table.rows.values()
        ]
        parser.epilog = "\n".join(["settings (values; default):", *lines])


def add_statsd(parser: argparse.ArgumentParser) -> None:
    """``--statsd [HOST[:PORT]]``: options.statsd is (host, port), None without the flag."""
    from ecbpf.metrics.statsd import DEFAULT_PORT

    parser.add_argument(
        "--statsd",
        metavar="HOST[:PORT]",
        nargs="?",
        type=_host_and_port,
        const=(STATSD_HOST, DEFAULT_PORT),
        help=f"send the counts to this statsd daemon once a second ({STATSD_HOST}:{DEFAULT_PORT})",
    )


def _host_and_port(text: str) -> tuple[str, int]:
    """``HOST``, ``HOST:PORT``, ``[IPV6]:PORT`` or an IPv6 address alone."""
    from ecbpf.metrics.statsd import DEFAULT_PORT

    if not text.strip(":[]") or text.count("[") != text.count("]"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid address of a statsd daemon: HOST, HOST:PORT")
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (":" in host and not host.endswith("]")):
        host, port = text, str(DEFAULT_PORT)
    return host.removeprefix("[").removesuffix("]"), whole_number("port", 1, 65535)(port)


def whole_number(what: str, low: int, high: int) -> "Callable[[str], int]":
    """An argument type: a whole number in decimal digits. what: its name in errors."""

    def parse(text: str) -> int:
        is_number = text.isascii() and text.isdigit() and len(text) <= len(str(high))
        if not is_number or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a valid {what}: {low} to {high}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """An argument type: a time in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0.1 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid number of seconds: 0.1 to 86400")
    return value
