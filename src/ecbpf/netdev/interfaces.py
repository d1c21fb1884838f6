"""Names and indices of interfaces, and the lists of them that command lines hold.

Everything is asked of this process's own namespace: /sys/class/net would be that of whoever mounted it,
which after `nsenter --net=` is another.
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
    """Those of `every` that are called like Ethernet interfaces: ``en…`` or ``eth…``."""
    return [name for name in every if name.startswith(("en", "eth"))]


def index_of(interface: str) -> int:
    """The interface's index. Raises DataError if there is no such interface in this namespace."""
    index = int(_libc.if_nametoindex(os.fsencode(interface)))
    if index == 0:
        raise DataError(interface, "no such interface in this network namespace", "see `ip link`")
    return index


def parse_list(text: str) -> list[str]:
    """The interfaces that a list names, separated by ``,``, ``-`` or ``:``, each once.

    A separator may also be part of a name: what exists decides, the longest name first.
    Raises DataError if some part is no interface.
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
    """Interfaces that, with the separators between them, make up `pieces` (name, separator, name, …)."""
    if not pieces:
        return []
    for end in range(len(pieces), 0, -2):
        if "".join(pieces[:end]) in existing:
            rest = _segment(pieces[end + 1 :], existing)
            if rest is not None:
                return ["".join(pieces[:end]), *rest]
    return None
