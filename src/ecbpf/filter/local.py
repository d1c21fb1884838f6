"""This host's own addresses, in the map that the filter looks fragments' destinations up in."""

from ecbpf.errors import DataError
from ecbpf.kernel.map import Map
from ecbpf.netdev.addresses import IpAddress, own_addresses

__all__ = ["update_local"]


def update_local(local: Map) -> None:
    """Bring the map filter_local up to date: new addresses first, then those away that are no more.

    Raises DataError if there are more than it holds, KernelError.
    """
    wanted = {_key(address) for address in own_addresses()}
    if len(wanted) > local.info.max_entries:
        raise DataError(
            f"{len(wanted)} addresses", "more than the filter holds", "ecbpf filter set frags_pass_local=off"
        )
    present = {bytes(key) for key in local}
    for key in wanted - present:
        local[key] = 1
    for key in present - wanted:
        local.delete(key)


def _key(address: IpAddress) -> bytes:
    """As struct filter_address: IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2)."""
    if address.version == 4:
        return bytes(10) + b"\xff\xff" + address.packed
    return address.packed
