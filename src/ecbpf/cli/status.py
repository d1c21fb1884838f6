"""``ecbpf status``."""

import argparse

from ecbpf.cli.output import print_status
from ecbpf.cli.parser import add_interfaces, add_json, interfaces_of

__all__ = ["add_arguments", "run", "show"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Interfaces, --json."""
    add_interfaces(parser, plain=True)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the table or the JSON."""
    show(interfaces_of(options, needed=False), as_json=options.json)
    return 0


def show(interfaces: list[str], *, as_json: bool) -> None:
    """Print the status of these interfaces; none: of all Ethernet interfaces, and others with a root array."""
    from ecbpf.chain.status import status

    print_status(status(interfaces or None), as_json=as_json)
