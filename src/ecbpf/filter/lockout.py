"""Whom a change of the sets would lock out: this host's default gateways, and who is logged in by ssh."""

from ecbpf.filter.lists import ALLOW, DROP, Lists
from ecbpf.filter.prefix import BITS, parse_address
from ecbpf.filter.rows import covering
from ecbpf.netdev.addresses import gateways, ssh_peers

__all__ = ["is_dropped", "locked_out"]


def is_dropped(lists: Lists, text: str) -> bool:
    """Whether packets from an address are dropped. Raises DataError if it is none."""
    family, upper, lower = parse_address(text)
    found = {kind: covering(lists.rows[kind, family], upper, lower, BITS[family]) for kind in (DROP, ALLOW)}
    return bool(found[DROP]) and not found[ALLOW]


def locked_out(interface: str, before: Lists, after: Lists) -> list[str]:
    """A warning for each address that one will miss, dropped after the change and not before it."""
    watched = [(str(address), "this host's default gateway") for address in gateways()]
    watched += [(str(address), "where an ssh session comes from") for address in ssh_peers()]
    return [
        f"{interface}: drops {address}, {who}; ecbpf filter allow -i {interface} {address} lets it through"
        for address, who in dict(watched).items()
        if is_dropped(after, address) and not is_dropped(before, address)
    ]
