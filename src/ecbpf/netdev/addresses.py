"""Addresses of this host, its gateways and its ssh clients, in this process's network namespace."""

import errno
import ipaddress
import os
import socket
from typing import Any

import psutil

from ecbpf.netdev.interfaces import index_of
from ecbpf.netdev.iproute import ask_ip

__all__ = ["AddressEvents", "IpAddress", "addresses_of", "gateways", "mapped", "own_addresses", "ssh_peers"]

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_SSH_PORT = 22
_ROOM = 65536
_RTMGRP_IPV4_IFADDR, _RTMGRP_IPV6_IFADDR = 0x10, 0x100  # <linux/rtnetlink.h>
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def own_addresses() -> set[IpAddress]:
    """The addresses of this host alone, without VIPs, which other directors have too.

    An address counts as a VIP where load balancers usually configure one: a /32 or /128 on an interface that also
    has addresses with a network (link-local ones aside), or any address of a loopback or dummy interface.
    """
    states = psutil.net_if_stats()
    here: dict[tuple[str, int], list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]] = {}
    for label, addresses in psutil.net_if_addrs().items():
        name = _interface_of(label)
        flags = states[name].flags.split(",") if name in states else []
        if "loopback" in flags or ("noarp" in flags and "pointopoint" not in flags):
            continue
        for each in addresses:
            if each.family in _FAMILIES:
                here.setdefault((name, each.family), []).append(_interface_address(each.address, each.netmask))
    found: set[IpAddress] = set()
    for every in here.values():
        found |= {each.ip for each in every if each.is_link_local}
        wider = [each for each in every if not each.is_link_local]
        in_networks = [each for each in wider if each.network.num_addresses > 1]
        found |= {each.ip for each in in_networks or wider}
    return found


def _interface_of(label: str) -> str:
    """The interface of an address label: psutil lists `ip address add ... label eth0:1` as eth0:1."""
    return label.partition(":")[0]


def _interface_address(address: str, netmask: str | None) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    """An address with its network. netmask: from psutil; ip_interface() understands only IPv4 netmasks."""
    plain = address.partition("%")[0]
    if netmask and ":" in netmask:
        return ipaddress.ip_interface(f"{plain}/{int(ipaddress.IPv6Address(netmask)).bit_count()}")
    return ipaddress.ip_interface(f"{plain}/{netmask}" if netmask else plain)


def mapped(address: IpAddress) -> bytes:
    """The address as 16 bytes; IPv4 as in ::ffff:192.0.2.1 (RFC 4291 section 2.5.5.2)."""
    if address.version == 4:
        return bytes(10) + b"\xff\xff" + address.packed
    return address.packed


def addresses_of(interfaces: list[str]) -> set[IpAddress]:
    """All addresses of these interfaces, with VIPs and link-local ones.

    Raises DataError (no such interface), OSError.
    """
    wanted = {socket.if_indextoname(index_of(interface)) for interface in interfaces}
    return {
        _interface_address(each.address, each.netmask).ip
        for label, addresses in psutil.net_if_addrs().items()
        if _interface_of(label) in wanted
        for each in addresses
        if each.family in _FAMILIES
    }


class AddressEvents:
    """Tells when addresses of this namespace may have changed. The constructor raises OSError."""

    def __init__(self) -> None:
        self._events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._events.bind((0, _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR))
        self._events.setblocking(False)

    def changed(self) -> bool:
        """Whether addresses may have changed since the last call; does not tell which."""
        happened = False
        while True:
            try:
                self._events.recv(_ROOM)
            except BlockingIOError:
                return happened
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # more events than the buffer holds
                    return True  # unknown, so possibly
            happened = True

    def close(self) -> None:
        """Stop listening."""
        self._events.close()


def gateways() -> list[IpAddress]:
    """The next hops of all default routes of both families, in the kernel's order.

    Raises MissingError (no `ip`), EcbpfError, OSError.
    """
    found = []
    for family in ("-4", "-6"):
        for route in _default_routes(family):
            for hop in (route, *route.get("nexthops", [])):
                text = hop.get("gateway") or hop.get("via", {}).get("host")
                if text:
                    found.append(ipaddress.ip_address(text))
    return list(dict.fromkeys(found))


def _default_routes(family: str) -> list[dict[str, Any]]:
    """Default routes from iproute2, because /proc/net/route shows one next hop per route and only one table.

    Without this address family in the kernel `ip` fails, and there are none.
    """
    return ask_ip(family, "route", "show", "table", "all", "default") or []


def ssh_peers() -> list[IpAddress]:
    """The ssh clients of this host: the peer of this session, and of every connection to port 22.

    Raises psutil.Error, OSError.
    """
    texts = os.environ.get("SSH_CONNECTION", "").split()[:1]
    texts += [
        connection.raddr.ip
        for connection in psutil.net_connections(kind="tcp")
        # Established ones only: the list also has the half-open connections of a SYN flood.
        if connection.status == psutil.CONN_ESTABLISHED
        and connection.raddr
        and connection.laddr
        and connection.laddr.port == _SSH_PORT
    ]
    peers = []
    for text in dict.fromkeys(texts):
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:  # sshd sets UNKNOWN if it does not run on a socket
            continue
        mapped = getattr(address, "ipv4_mapped", None)
        peers.append(mapped or address)
    return list(dict.fromkeys(peers))
