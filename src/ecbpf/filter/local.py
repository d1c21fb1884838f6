"""This host's own addresses, in the map that the filter looks fragments' destinations up in."""

import sys

from ecbpf.kernel.map import Map
from ecbpf.netdev.addresses import mapped, own_addresses

__all__ = ["update_local"]


def update_local(local: Map) -> None:
    """Bring the map filter_local up to date, under the lock. Raises OSError, KernelError.

    If the host has more addresses than it holds, the lowest go in, and standard error says so.
    """
    present = {bytes(key) for key in local}
    room = local.info.max_entries
    every = sorted(mapped(address) for address in own_addresses())
    if len(every) > room:
        why = f"{room} of this host's {len(every)} addresses fit into the filter"
        print(f"ecbpf: warning: {why}: it takes fragments to the others as to any host", file=sys.stderr)
    wanted = set(every[:room])
    new, gone = wanted - present, list(present - wanted)
    # Of those that are no more, first only the ones whose room is needed: the host may be changing an address.
    first = max(0, len(present) + len(new) - room)
    for key in gone[:first]:
        local.delete(key)
    for key in new:
        local[key] = 1
    for key in gone[first:]:
        local.delete(key)
