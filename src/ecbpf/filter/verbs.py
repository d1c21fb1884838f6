"""The lists of running filters, for programs. Prefixes are texts: ``192.0.2.0/24``, or an address alone."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ecbpf.errors import DataError
from ecbpf.filter.batch import batch_of
from ecbpf.filter.change import Summary, list_prefixes, unlist_prefixes
from ecbpf.filter.files import read_prefixes
from ecbpf.filter.lists import ALLOW, DROP, Kind
from ecbpf.filter.prefix import parse_prefix
from ecbpf.filter.running import find_filter
from ecbpf.filter.status import AddressCheck, Entry, check, entries

__all__ = ["allow", "allow_set", "check_address", "drop", "drop_set", "load_prefixes", "unallow", "undrop"]


def drop(interfaces: list[str], prefixes: Iterable[str], tag: str = "", *, dry_run: bool = False) -> list[Summary]:
    """Add sources to the drop sets. tag: why, 63 bytes at most. dry_run: change nothing.

    Host bits are cleared. Raises DataError (not a prefix, not a tag, too many), and as find_filter(); then nothing
    is changed on any interface.
    """
    return _add(interfaces, DROP, prefixes, tag, dry_run=dry_run)


def allow(
    interfaces: list[str], prefixes: Iterable[str], tag: str = "", *, dry_run: bool = False
) -> list[Summary]:
    """Add sources to the allow sets: they pass whatever the drop set says. As drop()."""
    return _add(interfaces, ALLOW, prefixes, tag, dry_run=dry_run)


def undrop(interfaces: list[str], prefixes: Iterable[str], *, dry_run: bool = False) -> list[Summary]:
    """Take sources off the drop sets. Raises EcbpfError if one is not listed, and as drop()."""
    return unlist_prefixes(interfaces, DROP, list(map(parse_prefix, prefixes)), dry_run=dry_run)


def unallow(interfaces: list[str], prefixes: Iterable[str], *, dry_run: bool = False) -> list[Summary]:
    """Take sources off the allow sets. As undrop()."""
    return unlist_prefixes(interfaces, ALLOW, list(map(parse_prefix, prefixes)), dry_run=dry_run)


def load_prefixes(
    interfaces: list[str], path: str, *, replace: bool = False, dry_run: bool = False
) -> list[Summary]:
    """Add a file of prefixes (docs/filter.md) to the drop sets. replace: the sets become what the file says.

    Raises DataError (no such file, a line of it), and as drop().
    """
    try:
        with open(path, "rb") as file:
            batch = read_prefixes(file, path, time=int(time.time()))
    except OSError as error:
        raise DataError(path, error.strerror or str(error), "give a file of prefixes") from None
    return list_prefixes(interfaces, DROP, batch, replace=replace, dry_run=dry_run)


def drop_set(interface: str) -> list[Entry]:
    """What the drop set lists, IPv4 first, each family in order. Raises as find_filter()."""
    return entries(find_filter(interface).sets.read(), DROP)


def allow_set(interface: str) -> list[Entry]:
    """What the allow set lists. As drop_set()."""
    return entries(find_filter(interface).sets.read(), ALLOW)


def check_address(interface: str, address: str) -> AddressCheck:
    """Whether packets from an address are dropped, and by which entry. Raises DataError, and as find_filter()."""
    return check(find_filter(interface).sets.read(), address)


def _add(interfaces: list[str], kind: Kind, prefixes: Iterable[str], tag: str, *, dry_run: bool) -> list[Summary]:
    texts = list(prefixes)
    batch = batch_of(texts, [tag] * len(texts), time=int(time.time()))
    return list_prefixes(interfaces, kind, batch, dry_run=dry_run)
