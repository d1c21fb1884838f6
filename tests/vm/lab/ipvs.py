"""Counters, services and connections of IPVS in the director's lab, and what an operator changes in them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ecbpf.lab.director import MARK, MARKED_VIP
from ecbpf.lab.namespace import run_in

__all__ = [
    "DIRECTOR",
    "drained",
    "inbound_packets",
    "key_of",
    "remove_server",
    "restore",
    "server_of",
    "servers_of",
    "services",
]

DIRECTOR = "ecbpf-director-director"


def key_of(vip: str) -> tuple[str, ...]:
    """The service of a VIP, as arguments of `ipvsadm`."""
    if vip in MARKED_VIP:
        return ("-f", str(MARK), "-6") if ":" in vip else ("-f", str(MARK))
    return ("-t", f"[{vip}]:80" if ":" in vip else f"{vip}:80")


def services() -> list[tuple[tuple[str, ...], str]]:
    """Every real server: its service's key, and its own address and port."""
    found = []
    for line in run_in(DIRECTOR, "ipvsadm", "-Sn").splitlines():
        words = line.split()
        if words[0] == "-a":
            end = words.index("-r")
            found.append((tuple(words[1:end]), words[end + 1]))
    return found


def servers_of(vip: str) -> list[str]:
    """The real servers of a VIP."""
    return [server for service, server in services() if service == key_of(vip)]


def inbound_packets(vip: str) -> int:
    """The packets that IPVS itself has forwarded for a VIP until now; waits until IPVS has added them up."""
    # IPVS adds up its per-CPU counts every two seconds (estimation_timer()), and shows the sums.
    time.sleep(2.5)
    kind, name, *flag = key_of(vip)
    head = [{"-t": "TCP", "-f": "FWM"}[kind], name, *(["IPv6"] if flag else [])]
    # Asked for a single IPv6 service, ipvsadm 1.31 shows zeros.
    for line in run_in(DIRECTOR, "ipvsadm", "-Ln", "--stats", "--exact").splitlines():
        words = line.split()
        if words[:-5] == head:
            return int(words[-4])  # before it connections; after it packets out, bytes in, bytes out
    raise LookupError(f"IPVS has no service {name}")


def server_of(port: int) -> str:
    """The address and port of the real server that a client's connection went to."""
    for line in run_in(DIRECTOR, "ipvsadm", "-Lnc").splitlines():
        words = line.split()
        if len(words) > 5 and words[3].endswith(f":{port}"):
            return words[5]
    raise LookupError(f"IPVS has no connection from port {port}")


def _server_for(vip: str, port: int) -> str:
    """The same as listed in the service: a service by mark takes all ports."""
    address = server_of(port).rpartition(":")[0]
    return next(server for server in servers_of(vip) if server.startswith(f"{address}:"))


@contextmanager
def drained(vip: str, port: int) -> Iterator[None]:
    """For the block, no new connection of the VIP goes to the server of that connection."""
    rule = (*key_of(vip), "-r", _server_for(vip, port), "-g", "-w")
    run_in(DIRECTOR, "ipvsadm", "-e", *rule, "0")
    try:
        yield
    finally:
        restore(*rule[:-1])


def remove_server(vip: str, port: int) -> tuple[str, ...]:
    """Delete the server of that connection from the VIP's service; returns what restore() needs."""
    rule = (*key_of(vip), "-r", _server_for(vip, port), "-g")
    run_in(DIRECTOR, "ipvsadm", "-d", *rule[:-1])
    return rule


def restore(*rule: str) -> None:
    """Give a server weight 1 again; a deleted one is added."""
    listed = any((*service, "-r", server) == rule[:-1] for service, server in services())
    run_in(DIRECTOR, "ipvsadm", "-e" if listed else "-a", *rule, "-w", "1")
