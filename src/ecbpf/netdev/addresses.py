"""Addresses of this host, of its gateways and of those who are logged in; of this process's network namespace."""

import errno
import ipaddress
import os
import socket

import psutil

__all__ = ["AddressEvents", "IpAddress", "gateways", "own_addresses", "ssh_peers"]

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_SSH_PORT = 22
_ROOM = 65536
_RTMGRP_IPV4_IFADDR, _RTMGRP_IPV6_IFADDR = 0x10, 0x100  # <linux/rtnetlink.h>
_RTF_GATEWAY = 0x2  # <linux/route.h>
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def own_addresses() -> set[IpAddress]:
    """The addresses by which this host itself is reached: VIPs, which other directors have too, are none.

    A VIP is what load balancers make it: an address without a network around it (/32, /128) on an interface that
    has others, or on a loopback or dummy interface, which no wire leads to.
    """
    states = psutil.net_if_stats()
    found: set[IpAddress] = set()
    for name, addresses in psutil.net_if_addrs().items():
        flags = states[name].flags.split(",") if name in states else []
        if "loopback" in flags or ("noarp" in flags and "pointopoint" not in flags):
            continue
        for family in _FAMILIES:
            here = [
                ipaddress.ip_interface(f"{each.address.partition('%')[0]}/{_length(each.netmask)}")
                for each in addresses
                if each.family == family
            ]
            in_networks = [each for each in here if each.network.num_addresses > 1]
            found |= {each.ip for each in in_networks or here}
    return found


def _length(netmask: str | None) -> str:
    """A netmask as ip_interface() takes it: it knows those of IPv4 as they are."""
    if netmask and ":" in netmask:
        return str(int(ipaddress.IPv6Address(netmask)).bit_count())
    return netmask or ""


class AddressEvents:
    """Tells when addresses of this namespace may have changed. Raises OSError where it is made."""

    def __init__(self) -> None:
        self._events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._events.bind((0, _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR))
        self._events.setblocking(False)

    def changed(self) -> bool:
        """Whether something happened since the last call; what, is not said: look again."""
        happened = False
        while True:
            try:
                self._events.recv(_ROOM)
            except BlockingIOError:
                return happened
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # more happened than fits
                    raise
            happened = True

    def close(self) -> None:
        """Stop listening."""
        self._events.close()


def gateways() -> list[IpAddress]:
    """The next hops of the default routes of both families, in the kernel's order."""
    found: list[IpAddress] = []
    with open("/proc/self/net/route", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            _, target, gateway, flags, *_, mask = line.split()[:8]
            if int(flags, 16) & _RTF_GATEWAY and int(target, 16) == int(mask, 16) == 0:
                # As the kernel has it in memory: network order.
                found.append(ipaddress.IPv4Address(int(gateway, 16).to_bytes(4, "little")))
    try:
        with open("/proc/self/net/ipv6_route", encoding="ascii") as table:
            lines = table.readlines()
    except FileNotFoundError:  # booted with ipv6.disable=1
        return found
    for line in lines:
        target, length, _, _, hop, *_, flags, _ = line.split()
        if int(flags, 16) & _RTF_GATEWAY and int(target, 16) == int(length, 16) == 0:
            found.append(ipaddress.IPv6Address(bytes.fromhex(hop)))
    return list(dict.fromkeys(found))


def ssh_peers() -> list[IpAddress]:
    """Who is logged in to this host: the other end of this session, and of every connection to port 22."""
    texts = os.environ.get("SSH_CONNECTION", "").split()[:1]
    texts += [
        connection.raddr.ip
        for connection in psutil.net_connections(kind="tcp")
        if connection.raddr and connection.laddr and connection.laddr.port == _SSH_PORT
    ]
    peers = []
    for text in dict.fromkeys(texts):
        address = ipaddress.ip_address(text.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        peers.append(mapped or address)
    return list(dict.fromkeys(peers))
