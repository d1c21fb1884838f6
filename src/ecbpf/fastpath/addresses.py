"""Addresses that the fast path leaves to the kernel: this host's own, and excluded ones."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import NamedTuple

from ecbpf.errors import EcbpfError, UsageError
from ecbpf.kernel.globals import Globals
from ecbpf.kernel.map import Map
from ecbpf.netdev.addresses import IpAddress, addresses_of, mapped, own_addresses
from ecbpf.netdev.interfaces import index_of

__all__ = ["AddressChange", "Addresses", "parse_addresses"]

_OWN, _EXCLUDED = 1, 2  # enum fastpath_address_origin


def parse_addresses(texts: list[str]) -> list[IpAddress]:
    """Addresses as they are typed, or several with commas between. Raises UsageError."""
    found: list[IpAddress] = []
    for text in ",".join(texts).split(","):
        try:
            found.append(ipaddress.ip_address(text.strip().replace("%", " ")))  # a scope is in no packet
        except ValueError:
            raise UsageError(repr(text), "no address", "give IPv4 or IPv6 addresses, without a length") from None
    return found


class AddressChange(NamedTuple):
    """What is to change about them.

    excluded: to be excluded too. included: to be excluded no more. interfaces: whose addresses count as own ones;
    none: those of all, see netdev.own_addresses(); None: as before.
    """

    excluded: Sequence[IpAddress] = ()
    included: Sequence[IpAddress] = ()
    interfaces: list[str] | None = None


_NOTHING = AddressChange()


class Addresses:
    """Those of a running fast path. What changes them is to be called under chain.pins.locked()."""

    def __init__(self, local: Map, director: Globals) -> None:
        """local: the map fastpath_local. director: the section of what its programs share."""
        self._local = local
        self._director = director

    @property
    def own(self) -> list[IpAddress]:
        """This host's, as they were last looked up."""
        return self._with(_OWN)

    @property
    def excluded(self) -> list[IpAddress]:
        """Those that an operator excluded."""
        return self._with(_EXCLUDED)

    def _with(self, origin: int) -> list[IpAddress]:
        found = [_address(bytes(key)) for key, origins in self._local.items() if origins & origin]
        return sorted(found, key=lambda address: (address.version, address))

    @property
    def interfaces(self) -> list[str]:
        """Those whose addresses count as own ones; none: see netdev.own_addresses()."""
        wanted = [index for index in self._director.address_interfaces if index]
        return [name for index, name in socket.if_nameindex() if index in wanted]

    def check(self, change: AddressChange) -> None:
        """Raise what change() would: UsageError (too many), DataError (no such interface), EcbpfError."""
        room = len(self._director.address_interfaces)
        if change.interfaces is not None:
            if len(change.interfaces) > room:
                raise UsageError("addrs-ifs", f"{len(change.interfaces)} interfaces", f"give {room} at most")
            for interface in change.interfaces:
                index_of(interface)
        excluded = set(self.excluded)
        for address in change.included:
            if address not in excluded:
                raise EcbpfError(str(address), "not excluded", "ecbpf fastpath exclude list shows those that are")
        places = self._local.info.max_entries
        if len(self._local) + len(change.excluded) > places:
            raise EcbpfError("excluded addresses", f"too many: there is room for {places} addresses in all")

    def change(self, change: AddressChange = _NOTHING) -> None:
        """Make it so, and look this host's addresses up anew. Raises as check(), KernelError, OSError."""
        self.check(change)
        if change.interfaces is not None:
            unused = [0] * (len(self._director.address_interfaces) - len(change.interfaces))
            self._director.address_interfaces[:] = [*map(index_of, change.interfaces), *unused]
        # Those chosen may be gone: that is no reason to take those of all.
        is_chosen = any(self._director.address_interfaces)
        found = addresses_of(self.interfaces) if is_chosen else own_addresses()
        own = {mapped(address) for address in found}
        excluded, included = ({mapped(each) for each in some} for some in (change.excluded, change.included))
        present = {bytes(key): int(origins) for key, origins in self._local.items()}
        wanted = {
            key: (_OWN if key in own else 0)
            | (_EXCLUDED if key in excluded or (origins & _EXCLUDED and key not in included) else 0)
            for key, origins in (dict.fromkeys(own | excluded, 0) | present).items()
        }
        self._local.update((key, now) for key, now in wanted.items() if now and now != present.get(key))
        self._local.delete_many(key for key, now in wanted.items() if not now and key in present)
        # Even if nothing changed: whoever changed it before may have been killed here.
        self._director.address_generation = (self._director.address_generation + 1) % 2**32


def _address(key: bytes) -> IpAddress:
    address = ipaddress.IPv6Address(key)
    return address.ipv4_mapped or address
