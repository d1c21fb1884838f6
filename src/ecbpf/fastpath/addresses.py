"""Addresses that the fast path leaves to the kernel: this host's own, and excluded ones."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import NamedTuple

from ecbpf.errors import EcbpfError, UsageError
from ecbpf.netdev.addresses import IpAddress, addresses_of, mapped, own_addresses
from ecbpf.netdev.interfaces import index_of
from ecbpf.objects.fastpath_egress import FastpathAddressOrigin, FastpathEgressBpf, LocalAddress

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from ecbpf.kernel.typed import MapOf

__all__ = ["AddressChange", "Addresses", "parse_addresses"]

_OWN, _EXCLUDED = FastpathAddressOrigin.FASTPATH_ADDRESS_OWN, FastpathAddressOrigin.FASTPATH_ADDRESS_EXCLUDED


def parse_addresses(texts: list[str]) -> list[IpAddress]:
    """Addresses as they are typed, or several with commas between. Raises UsageError."""
    found: list[IpAddress] = []
    for text in ",".join(texts).split(","):
        try:
            found.append(ipaddress.ip_address(text.strip().replace("%", " ")))  # a scope is in no packet
        except ValueError:
            why = "not a valid address"
            raise UsageError(repr(text), why, "give IPv4 or IPv6 addresses, without a prefix length") from None
    return found


class AddressChange(NamedTuple):
    """What is to change about these addresses.

    excluded: to exclude as well. included: to exclude no longer. interfaces: whose addresses count as this host's
    own; empty: those of all, see netdev.own_addresses(); None: as before.
    """

    excluded: Sequence[IpAddress] = ()
    included: Sequence[IpAddress] = ()
    interfaces: list[str] | None = None


_NOTHING = AddressChange()


class Addresses:
    """The addresses of a running fast path; change() is to be called under chain.pins.locked()."""

    def __init__(self, local: MapOf[LocalAddress, int], shared: FastpathEgressBpf.Live) -> None:
        """local: the map fastpath_local. shared: the variables of its programs."""
        self._local = local
        self._shared = shared

    @property
    def own(self) -> list[IpAddress]:
        """This host's own, as they were last looked up."""
        return self._with(_OWN)

    @property
    def excluded(self) -> list[IpAddress]:
        """What operators have excluded."""
        return self._with(_EXCLUDED)

    def _with(self, origin: int) -> list[IpAddress]:
        found = [_address(bytes(key)) for key, origins in self._local.items() if origins & origin]
        return sorted(found, key=lambda address: (address.version, address))

    @property
    def interfaces(self) -> list[str]:
        """The interfaces whose addresses count as own; empty: see netdev.own_addresses()."""
        wanted = [index for index in self._shared.address_interfaces if index]
        return [name for index, name in socket.if_nameindex() if index in wanted]

    def check(self, change: AddressChange) -> None:
        """Raise what change() would: UsageError (too many), DataError (no such interface), EcbpfError."""
        room = len(self._shared.address_interfaces)
        if change.interfaces is not None:
            if len(change.interfaces) > room:
                raise UsageError("addrs-ifs", f"{len(change.interfaces)} interfaces", f"give at most {room}")
            for interface in change.interfaces:
                index_of(interface)
        excluded = set(self.excluded)
        for address in change.included:
            if address not in excluded:
                raise EcbpfError(str(address), "not excluded", "ecbpf fastpath exclude list shows what is")
        capacity = self._local.info.max_entries
        if len(self._local) + len(change.excluded) > capacity:
            raise EcbpfError("excluded addresses", f"too many: there is room for {capacity} addresses in all")

    def change(self, change: AddressChange = _NOTHING) -> None:
        """Make the change, and look this host's addresses up again. Raises as check(), KernelError, OSError."""
        self.check(change)
        if change.interfaces is not None:
            unused = [0] * (len(self._shared.address_interfaces) - len(change.interfaces))
            self._shared.address_interfaces[:] = [*map(index_of, change.interfaces), *unused]
        # The chosen interfaces may be gone: no reason to take the addresses of all of them.
        is_chosen = any(self._shared.address_interfaces)
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
        # Even if nothing changed: the command before may have been killed just here.
        self._shared.address_generation = (self._shared.address_generation + 1) % 2**32


def _address(key: bytes) -> IpAddress:
    address = ipaddress.IPv6Address(key)
    return address.ipv4_mapped or address
