"""Whom a change of the sets would lock out: this host's default gateways, and the peers of ssh sessions."""

import functools
from typing import NamedTuple

from ecbpf.filter.lists import Lists
from ecbpf.filter.prefix import parse_address
from ecbpf.netdev.addresses import gateways, ssh_peers

__all__ = ["GATEWAY", "SSH_PEER", "Lockout", "locked_out"]

GATEWAY = "gateway"
SSH_PEER = "ssh peer"


class Lockout(NamedTuple):
    """One that this host would miss. who: GATEWAY or SSH_PEER.

    address: theirs, dropped after a change and not before it; "" if `failure` says why it could not be found out.
    """

    who: str
    address: str
    failure: str = ""


def locked_out(before: Lists, after: Lists) -> list[Lockout]:
    """The addresses that a change locks out, and the lookups that failed, which are no reason not to drop.

    Ask only about a change that drops more: looking around takes time.
    """
    return [each for each in watched() if not each.address or _drops_now(each.address, before, after)]


def _drops_now(text: str, before: Lists, after: Lists) -> bool:
    address = parse_address(text)
    return after.drops(address) and not before.drops(address)


@functools.cache
def watched() -> list[Lockout]:
    """What could not be found out, then each address that this host would miss. Looked up once."""
    addresses: dict[str, str] = {}
    failures = []
    for look, who in (gateways, GATEWAY), (ssh_peers, SSH_PEER):
        try:
            addresses |= {str(address): who for address in look()}
        except Exception as error:
            failures.append(Lockout(who, "", str(error) or type(error).__name__))
    return failures + [Lockout(who, address) for address, who in addresses.items()]
