"""Whom a change of the sets would lock out: this host's default gateways, and who is logged in by ssh."""

import functools

from ecbpf.filter.lists import Lists
from ecbpf.filter.prefix import parse_address
from ecbpf.netdev.addresses import gateways, ssh_peers

__all__ = ["locked_out"]


def locked_out(interface: str, before: Lists, after: Lists) -> list[str]:
    """A warning for each address that one will miss, dropped after the change and not before it.

    Ask only about a change that drops more: it takes looking around. What hinders to tell is a warning too: it is
    no reason not to drop anything.
    """
    addresses, failures = watched()
    return [f"{interface}: {failure}" for failure in failures] + [
        f"{interface}: drops {address}, {who}; ecbpf filter allow -i {interface} {address} lets it through"
        for address, who in addresses.items()
        if after.drops(parse_address(address)) and not before.drops(parse_address(address))
    ]


@functools.cache
def watched() -> tuple[dict[str, str], list[str]]:
    """Each address that one would miss, with who it is; and what could not be found out. Looked up once."""
    addresses: dict[str, str] = {}
    failures = []
    for look, who in (gateways, "this host's default gateway"), (ssh_peers, "where an ssh session comes from"):
        try:
            addresses |= {str(address): who for address in look()}
        except Exception as error:
            failures.append(f"cannot check whether it drops {who}: {str(error) or type(error).__name__}")
    return addresses, failures
