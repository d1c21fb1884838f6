"""All that a command of the filter could change."""

import contextlib
from dataclasses import replace
from typing import Any

from ecbpf.chain.occupant import find_root
from ecbpf.filter.running import find_filter
from ecbpf.filter.status import FilterStatus, filter_status
from tests.support.slots import slot_ids

__all__ = ["snapshot"]


def snapshot(*interfaces: str) -> list[Any]:
    """What is in the slots, settings, counts, lists."""
    found: list[Any] = []
    for interface in interfaces:
        ids = slot_ids(find_root(interface))
        found += [ids, _status_of_filter(interface) if ids[2] is not None and _is_filter(interface) else None]
    return found


def _status_of_filter(interface: str) -> FilterStatus:
    """Without the load time: reckoned from two clocks, it differs a little each time."""
    return replace(filter_status(interface), load_time=0.0)


def _is_filter(interface: str) -> bool:
    with contextlib.suppress(Exception):
        find_filter(interface)
        return True
    return False
