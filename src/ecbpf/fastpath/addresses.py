"""Addresses that the fast path leaves to the kernel: this host's own, and excluded ones."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from ecbpf.errors import EcbpfError, UsageError
from ecbpf.kernel.globals import Globals
from ecbpf.kernel.map import Map
from ecbpf.netdev.addresses import IpAddress, addresses_of, mapped, own_addresses
from ecbpf.netdev.interfaces import index_of, names

__all__ = ["Addresses", "parse_addresses"]

_OWN, _EXCLUDED = 1, 2  # enum fastpath_address_origin


def parse_addresses(texts: list[str]) -> list[IpAddress]:
    """Addresses as they are typed, or several with commas between. Raises UsageError."""
    found: list[IpAddress] = []
    for text in ",".join(texts).split(","):
        try:
            found.append(ipaddress.ip_address(text.strip()))
        except ValueError:
            raise UsageError(repr(text), "no address", "give IPv4 or IPv6 addresses, without a length") from None
    return found


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
        return [name for name in names() if index_of(name) in wanted] if wanted else []

    def set_interfaces(self, interfaces: list[str]) -> None:
        """Take own addresses from these from now on. Raises UsageError (too many), DataError."""
        room = len(self._director.address_interfaces)
        if len(interfaces) > room:
            raise UsageError("addrs-ifs", f"{len(interfaces)} interfaces", f"give {room} at most")
        indices = [index_of(interface) for interface in interfaces]
        self._director.address_interfaces[:] = indices + [0] * (room - len(indices))

    def update_own(self) -> None:
        """Look this host's addresses up anew. Raises KernelError, OSError."""
        chosen = self.interfaces
        wanted = {mapped(address) for address in (addresses_of(chosen) if chosen else own_addresses())}

        def change(key: bytes, origins: int) -> int:
            return origins & ~_OWN | (_OWN if key in wanted else 0)

        self._change(wanted, change)

    def exclude(self, addresses: list[IpAddress]) -> None:
        """Leave these to the kernel from now on. Raises KernelError (E2BIG: there are too many)."""
        keys = {mapped(address) for address in addresses}
        self._change(keys, lambda key, origins: origins | (_EXCLUDED if key in keys else 0))

    def include(self, addresses: list[IpAddress]) -> None:
        """Take these out again. Raises EcbpfError if one is not excluded; then none is taken out."""
        excluded = set(self.excluded)
        for address in addresses:
            if address not in excluded:
                raise EcbpfError(str(address), "not excluded", "ecbpf fastpath exclude list shows those that are")
        keys = {mapped(address) for address in addresses}
        self._change(set(), lambda key, origins: origins & ~(_EXCLUDED if key in keys else 0))

    def _change(self, more: set[bytes], change: Callable[[bytes, int], int]) -> None:
        present = {bytes(key): int(origins) for key, origins in self._local.items()}
        wanted = {key: change(key, present.get(key, 0)) for key in present.keys() | more}
        for key, origins in wanted.items():
            if origins and origins != present.get(key):
                self._local[key] = origins
        for key, origins in wanted.items():
            if not origins and key in present:
                self._local.delete(key)
        if any(origins != present.get(key, 0) for key, origins in wanted.items()):
            self._director.address_generation = (self._director.address_generation + 1) % 2**32


def _address(key: bytes) -> IpAddress:
    address = ipaddress.IPv6Address(key)
    return address.ipv4_mapped or address
