"""What IPVS of the director's lab counts and has, read in the director's network."""

from ecbpf.lab.director import MARK, MARKED_VIP
from ecbpf.lab.namespace import run_in

__all__ = ["DIRECTOR", "inbound_packets", "key_of", "servers_of", "services"]

DIRECTOR = "ecbpf-director-director"


def key_of(vip: str) -> tuple[str, ...]:
    """The service of a VIP, as `ipvsadm` is told it."""
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
    """The packets that IPVS itself has forwarded for a VIP."""
    kind, name, *flag = key_of(vip)
    head = [{"-t": "TCP", "-f": "FWM"}[kind], name, *(["IPv6"] if flag else [])]
    # Asked for one service alone, ipvsadm 1.31 says that nothing was counted if it is an IPv6 one.
    for line in run_in(DIRECTOR, "ipvsadm", "-Ln", "--stats", "--exact").splitlines():
        words = line.split()
        if words[:-5] == head:
            return int(words[-4])  # before it connections; after it packets out, bytes in, bytes out
    raise LookupError(f"IPVS has no service {name}")
