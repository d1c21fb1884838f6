"""``ecbpf printk``."""

import argparse

from ecbpf.cli.parser import add_interfaces, interfaces_of

__all__ = ["act", "add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb, interfaces."""
    parser.add_argument("verb", choices=("attach", "detach"), help="fill slot 6, or empty it")
    add_interfaces(parser, plain=False)


def run(options: argparse.Namespace) -> int:
    """Attach to or detach from each interface."""
    act(options.verb, interfaces_of(options))
    return 0


def act(verb: str, interfaces: list[str]) -> None:
    """Do the verb on each interface, and say so."""
    from ecbpf.chain.occupant import find_root
    from ecbpf.chain.slots import empty, put
    from ecbpf.printk import SLOT, Printk

    for interface in interfaces:
        find_root(interface)
    for interface in interfaces:
        done = put(interface, Printk()) if verb == "attach" else empty(interface, SLOT)
        print(f"{interface}: {done}")
