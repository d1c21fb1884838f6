"""Names and indices of interfaces, and lists of interfaces on command lines.

All of it is about this process's own namespace. /sys/class/net would show the namespace in which /sys was mounted,
which is another one after `nsenter --net=`.
"""

import ctypes
import os
import re

from ecbpf.errors import DataError

__all__ = ["ethernet_names", "index_of", "names", "parse_list"]

_libc = ctypes.CDLL(None, use_errno=True)


def names() -> list[str]:
    """Every interface, in the kernel's order."""
    with open("/proc/self/net/dev", encoding="ascii", errors="surrogateescape") as table:
        lines = table.readlines()[2:]
    return [line.rpartition(":")[0].strip() for line in lines]


def ethernet_names(every: list[str]) -> list[str]:
    """The names in `every` that look like Ethernet interfaces: ``en…`` or ``eth…``."""
    return [name for name in every if name.startswith(("en", "eth"))]


def index_of(interface: str) -> int:
    """The interface's index. Raises DataError if there is no such interface in this namespace."""
    index = int(_libc.if_nametoindex(os.fsencode(interface)))
    if index == 0:
        raise DataError(interface, "no such interface in this network namespace", "see `ip link`")
    return index


def parse_list(text: str) -> list[str]:
    """The interfaces in a list separated by ``,``, ``-`` or ``:``, each once.

    A separator may also be part of a name: the existing interfaces decide, and longer names are preferred.
    Raises DataError if a part of the list is not an interface.
    """
    existing = set(names())
    pieces = re.split(r"([,:-])", text)
    found = _segment(pieces, existing)
    if found is None:
        wrong = next(
            (part for part in re.split("[,:]", text) if not _segment(re.split("(-)", part), existing)), text
        )
        index_of(wrong)
        raise DataError(text, "not a list of interfaces", "give names separated by commas")
    return list(dict.fromkeys(found))


def _segment(pieces: list[str], existing: set[str]) -> list[str] | None:
    """The interfaces that `pieces` (name, separator, name, …) spell; None if they do not."""
    if not pieces:
        return []
    for end in range(len(pieces), 0, -2):
        if "".join(pieces[:end]) in existing:
            rest = _segment(pieces[end + 1 :], existing)
            if rest is not None:
                return ["".join(pieces[:end]), *rest]
    return None
