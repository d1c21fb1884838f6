"""``ecbpf clear``."""

import argparse

from ecbpf.cli.parser import add_interfaces, interfaces_of

__all__ = ["add_arguments", "clear_counts", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Interfaces; without any, all that have a root array."""
    add_interfaces(parser, plain=True)


def run(options: argparse.Namespace) -> int:
    """Clear the counts of each root array."""
    clear_counts(interfaces_of(options, needed=False))
    return 0


def clear_counts(interfaces: list[str]) -> None:
    """Set the counts of these interfaces' root arrays, or of all root arrays, to zero, and say so."""
    from ecbpf.chain.counters import clear
    from ecbpf.chain.occupant import find_root, look
    from ecbpf.errors import EcbpfError
    from ecbpf.netdev.interfaces import names

    if interfaces:
        roots = [find_root(interface) for interface in interfaces]
    else:
        occupants = [look(interface) for interface in names()]
        roots = [occupant for occupant in occupants if occupant is not None and occupant.is_root]
        if not roots:
            raise EcbpfError("clear", "no root array in this network namespace", "attach one: ecbpf attach")
    for root in roots:
        clear(root)
        print(f"{root.interface}: counts cleared")
