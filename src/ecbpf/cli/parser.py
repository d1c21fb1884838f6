"""What the commands' parsers share."""

import argparse
import os

from ecbpf.errors import UsageError
from ecbpf.netdev.interfaces import parse_list

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

__all__ = ["Parser", "add_interfaces", "interfaces_of", "whole_number"]


class _Formatter(argparse.HelpFormatter):
    """Knows the terminal's width without shutil, which argparse would load for every command."""

    def __init__(self, prog: str) -> None:
        try:
            width = os.get_terminal_size().columns
        except OSError:
            width = 100
        super().__init__(prog, width=width - 2)


class Parser(argparse.ArgumentParser):
    """argparse, with errors as every other error of ecbpf: one line, status 64."""

    def __init__(self, **values: "Any") -> None:
        super().__init__(formatter_class=_Formatter, **values)

    def error(self, message: str) -> "NoReturn":
        """Raise UsageError."""
        raise UsageError(self.prog, message, f"see {self.prog} --help")


def add_interfaces(parser: argparse.ArgumentParser, *, plain: bool) -> None:
    """``-i IFACES``, and if `plain` the same as an argument without a flag."""
    parser.add_argument(
        "-i", "--interface", metavar="IFACES", help="one interface, or several separated by , - or :"
    )
    if plain:
        parser.add_argument("interfaces", metavar="IFACES", nargs="*", help="the same without the flag")


def interfaces_of(options: argparse.Namespace, *, needed: bool = True) -> list[str]:
    """The interfaces that the command line names, each once. Raises DataError, UsageError if it needs some."""
    given = [*([options.interface] if options.interface else []), *getattr(options, "interfaces", [])]
    found = list(dict.fromkeys(name for text in given for name in parse_list(text)))
    if needed and not found:
        raise UsageError("interface", "none given", "name one, or several separated by commas")
    return found


def whole_number(what: str, low: int, high: int) -> "Callable[[str], int]":
    """A type of arguments: decimal digits. what: they count or name, for errors."""

    def parse(text: str) -> int:
        is_number = text.isascii() and text.isdigit() and len(text) <= len(str(high))
        if not is_number or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no {what}, {low} to {high}")
        return int(text)

    return parse
