"""This host's own addresses, in the map in which the filter looks up the destinations of fragments."""

from ecbpf.kernel.map import Map
from ecbpf.netdev.addresses import mapped, own_addresses
from ecbpf.notices import notify

__all__ = ["update_local"]


def update_local(local: Map) -> None:
    """Bring the map filter_local up to date, under the lock. Raises OSError, KernelError.

    If the host has more addresses than it holds, the lowest go in, and a notice says so.
    """
    present = {bytes(key) for key in local}
    room = local.info.max_entries
    every = sorted(mapped(address) for address in own_addresses())
    if len(every) > room:
        fit = f"{room} of this host's {len(every)} addresses fit into the filter"
        notify(f"warning: {fit}: it treats fragments to the others like fragments to any other host")
    wanted = set(every[:room])
    new, gone = wanted - present, list(present - wanted)
    # Delete first only as many as the new ones need room: the host may be moving an address.
    first = max(0, len(present) + len(new) - room)
    for key in gone[:first]:
        local.delete(key)
    for key in new:
        local[key] = 1
    for key in gone[first:]:
        local.delete(key)
