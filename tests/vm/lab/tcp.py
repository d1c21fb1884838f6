"""What the TCP of a node has counted: /proc/net/snmp and /proc/net/netstat."""

from collections import Counter
from collections.abc import Iterator

from ecbpf import lab

__all__ = ["ENDS", "tcp_counts", "trouble"]

# Who has an end of the downloads' connections, and who would answer for packets that IPVS did not take.
ENDS = ("director/client", "director/real1", "director/real2", "director/director")

# Of a connection that went as it should, and that both ends have closed, there is none of these.
_TROUBLE = ("AttemptFails", "EstabResets", "OutRsts", "InErrs", "InCsumErrors")


def tcp_counts(*nodes: str) -> Counter[str]:
    """The counts by their names, added up over the nodes."""
    total: Counter[str] = Counter()
    for node in nodes:
        with lab.inside(node):
            for path in ("/proc/thread-self/net/snmp", "/proc/thread-self/net/netstat"):
                with open(path, encoding="ascii") as file:
                    total.update(dict(_tcp_pairs(file.read().splitlines())))
    return total


def _tcp_pairs(lines: list[str]) -> Iterator[tuple[str, int]]:
    # A line of names, then one of values, each with the protocol's name before it.
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        if names.startswith(("Tcp:", "TcpExt:")):
            yield from zip(names.split()[1:], map(int, values.split()[1:]), strict=True)


def trouble(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    """Those counts that stand for something wrong, by how much they have grown."""
    return {name: after[name] - before[name] for name in _TROUBLE if after[name] != before[name]}
