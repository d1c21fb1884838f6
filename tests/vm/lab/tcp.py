"""The TCP counters of a node: /proc/net/snmp and /proc/net/netstat."""

from collections import Counter
from collections.abc import Iterator

from ecbpf import lab

__all__ = ["ENDS", "tcp_counts", "trouble"]

# The ends of the downloads' connections, and the director, which would answer packets that IPVS did not take.
ENDS = ("director/client", "director/real1", "director/real2", "director/director")

# A connection without errors, closed by both ends, increments none of these.
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
    """The counters of errors that have grown, and by how much."""
    return {name: after[name] - before[name] for name in _TROUBLE if after[name] != before[name]}
