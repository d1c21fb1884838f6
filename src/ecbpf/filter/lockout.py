"""Whom a change of the sets would lock out: this host's default gateways, and who is logged in by ssh."""

import functools

from ecbpf.filter.lists import ALLOW, DROP, Lists
from ecbpf.filter.prefix import BITS, Rows, parse_address
from ecbpf.filter.rows import covering, merged, same_prefixes
from ecbpf.netdev.addresses import gateways, ssh_peers

__all__ = ["locked_out"]


def locked_out(interface: str, before: Lists, after: Lists) -> list[str]:
    """A warning for each address that one will miss, dropped after the change and not before it.

    What hinders to tell is a warning too: it is no reason not to drop anything.
    """
    if not _may_drop_more(before, after):
        return []
    addresses, failures = watched()
    return [f"{interface}: {failure}" for failure in failures] + [
        f"{interface}: drops {address}, {who}; ecbpf filter allow -i {interface} {address} lets it through"
        for address, who in addresses.items()
        if _is_dropped(after, address) and not _is_dropped(before, address)
    ]


@functools.cache
def watched() -> tuple[dict[str, str], list[str]]:
    """Each address that one would miss, with who it is; and what could not be found out. Looked up once."""
    addresses: dict[str, str] = {}
    failures = []
    for look, who in (gateways, "this host's default gateway"), (ssh_peers, "where an ssh session comes from"):
        try:
            addresses |= {str(address): who for address in look()}
        except Exception as error:
            failures.append(f"cannot check whether it drops {who}: {str(error) or type(error).__name__}")
    return addresses, failures


def _may_drop_more(before: Lists, after: Lists) -> bool:
    """Whether something is dropped that was not, or not allowed any more."""
    return any(
        _has_more(after.rows[DROP, family], before.rows[DROP, family])
        or _has_more(before.rows[ALLOW, family], after.rows[ALLOW, family])
        for family in BITS
    )


def _has_more(rows: Rows, others: Rows) -> bool:
    """Whether some prefixes are not among others."""
    if same_prefixes(rows, others):
        return False
    return len(rows) > len(others) or len(merged(others, rows)) > len(others)


def _is_dropped(lists: Lists, text: str) -> bool:
    """Whether packets from an address are dropped."""
    family, upper, lower = parse_address(text)
    found = {kind: covering(lists.rows[kind, family], upper, lower, BITS[family]) for kind in (DROP, ALLOW)}
    return bool(found[DROP]) and not found[ALLOW]
