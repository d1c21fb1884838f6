"""The verbs that change the sets: drop, undrop, allow, unallow, load, flush."""

import sys
import time

from ecbpf.cli.filter.output import print_host_bits, print_summaries
from ecbpf.errors import DataError
from ecbpf.filter.batch import Batch, batch_of, host_bits
from ecbpf.filter.change import flush, list_prefixes, unlist_prefixes
from ecbpf.filter.files import read_prefixes
from ecbpf.filter.lists import DROP, Kind
from ecbpf.filter.prefix import parse_prefix
from ecbpf.filter.running import find_filter

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["add", "empty", "load", "remove", "say_what_stays"]


def add(interfaces: list[str], kind: Kind, prefixes: list[str], tags: list[str], *, dry_run: bool = False) -> None:
    """List prefixes, each with its tag, in the drop or allow set, and say so."""
    _list(interfaces, kind, batch_of(prefixes, tags, time=int(time.time())), dry_run=dry_run)


def remove(interfaces: list[str], kind: Kind, texts: list[str], *, dry_run: bool = False) -> None:
    """Take prefixes off the drop or allow set, and say so."""
    prefixes = [parse_prefix(text) for text in texts]
    summaries = unlist_prefixes(interfaces, kind, prefixes, dry_run=dry_run)
    print_host_bits(*host_bits(texts, prefixes))
    print_summaries(summaries, dry_run=dry_run)


def empty(interfaces: list[str], *, dry_run: bool = False) -> None:
    """Empty the drop sets, and say so."""
    print_summaries(flush(interfaces, dry_run=dry_run), dry_run=dry_run)


def say_what_stays(interfaces: list[str]) -> None:
    """Say how to empty the drop sets that are not empty: `filter clear` once did."""
    for interface in interfaces:
        count = find_filter(interface).sets.read().count(DROP)
        if count:
            print(f"{interface}: {count} still in the drop set; ecbpf filter flush -i {interface} empties it")


def load(interfaces: list[str], path: str, *, replace: bool, dry_run: bool) -> None:
    """Add a file of prefixes to the drop set, or replace the set by it, and say so. path: "-": standard input."""
    for interface in interfaces:
        find_filter(interface)  # before a large file is read for nothing
    is_stdin = path == "-"
    name = "standard input" if is_stdin else path or "''"
    if is_stdin and sys.stdin is None:  # and its number may be another file's by now
        raise DataError(name, "closed", "give a file of prefixes")
    try:
        with open(0 if is_stdin else path, "rb", closefd=not is_stdin) as file:
            batch = _read(file, name)
    except OSError as error:
        raise DataError(name, error.strerror or str(error), "give a file of prefixes, or -") from None
    _list(interfaces, DROP, batch, replace=replace, dry_run=dry_run)


def _list(interfaces: list[str], kind: Kind, batch: Batch, *, replace: bool = False, dry_run: bool) -> None:
    summaries = list_prefixes(interfaces, kind, batch, replace=replace, dry_run=dry_run)
    print_host_bits(batch.had_host_bits, batch.example)
    print_summaries(summaries, dry_run=dry_run)


def _read(file: "BinaryIO", name: str) -> Batch:
    if not sys.stderr.isatty():
        return read_prefixes(file, name, time=int(time.time()))

    def progress(lines: int) -> None:
        print(f"\r{lines:,} lines", end="", file=sys.stderr, flush=True)

    try:
        return read_prefixes(file, name, time=int(time.time()), progress=progress)
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
