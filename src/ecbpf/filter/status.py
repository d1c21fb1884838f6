"""What a filter says about itself: settings, counters, and what is listed."""

from dataclasses import dataclass
from typing import NamedTuple

from ecbpf.filter.lists import ALLOW, DROP, Kind, Lists
from ecbpf.filter.prefix import BITS, parse_address, text_of
from ecbpf.filter.running import find_filter
from ecbpf.subprogram.status import SubprogramStatus, status_of

__all__ = ["AddressCheck", "Entry", "FilterStatus", "check", "entries", "filter_status"]


class Entry(NamedTuple):
    """A listed prefix: its first address, length and prefix tag ("": none), listed at `time`, seconds since 1970.

    A tuple, because there may be a million of them.
    """

    address: str
    length: int
    tag: str
    time: int


@dataclass(frozen=True)
class FilterStatus(SubprogramStatus):
    """Of one interface. drops, allows: the drop set and the allow set, as entries() gives them."""

    drops: list[Entry]
    allows: list[Entry]


@dataclass(frozen=True)
class AddressCheck:
    """Whether an address is dropped. drop, allow: the longest prefix of each set that it is in, if any."""

    address: str
    dropped: bool
    drop: Entry | None
    allow: Entry | None


def filter_status(interface: str) -> FilterStatus:
    """The state of the filter on an interface. Raises as find_filter(), and as Sets.read()."""
    running = find_filter(interface)
    lists = running.sets.read()
    return FilterStatus(**vars(status_of(running)), drops=entries(lists, DROP), allows=entries(lists, ALLOW))


def entries(lists: Lists, kind: Kind) -> list[Entry]:
    """The prefixes of a list, IPv4 first, each family in order."""
    tags = [lists.tag(number) for number in range(len(lists.tags))]
    return [
        Entry(text_of(family, upper, lower), length, tags[tag], time)
        for family in BITS
        for upper, lower, time, tag, length in lists.rows[kind, family].tolist()
    ]


def check(lists: Lists, text: str) -> AddressCheck:
    """What the lists say about an address. Raises DataError if the text is none."""
    address = parse_address(text)
    found: dict[Kind, Entry] = {}
    for kind, indices in lists.covering(address).items():
        if indices:
            upper, lower, time, tag, length = lists.rows[kind, address.family][indices[0]].tolist()
            found[kind] = Entry(text_of(address.family, upper, lower), length, lists.tag(tag), time)
    return AddressCheck(text, lists.drops(address), found.get(DROP), found.get(ALLOW))
