"""``ecbpf detach``."""

import argparse

from ecbpf.cli.output import print_changes
from ecbpf.cli.parser import add_interfaces, interfaces_of

__all__ = ["add_arguments", "detach_root", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Interfaces, --slot."""
    add_interfaces(parser, plain=True)
    parser.add_argument("--slot", metavar="N", type=int, help="empty slot N only")


def run(options: argparse.Namespace) -> int:
    """Detach from each interface."""
    interfaces = interfaces_of(options)
    if options.slot is None:
        detach_root(interfaces)
        return 0
    from ecbpf.chain.slots import check_filled, empty

    for interface in interfaces:
        check_filled(interface, options.slot)
    print_changes(empty(interface, options.slot) for interface in interfaces)
    return 0


def detach_root(interfaces: list[str]) -> None:
    """Detach the root array or nop from each interface, and print what was done."""
    from ecbpf.chain.attach import check_detach, detach

    for interface in interfaces:
        check_detach(interface)
    print_changes(detach(interface) for interface in interfaces)
