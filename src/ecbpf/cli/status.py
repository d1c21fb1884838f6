"""``ecbpf status``."""

import argparse

from ecbpf.cli.parser import add_interfaces, interfaces_of

__all__ = ["add_arguments", "run", "show"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Interfaces (none: all), --json."""
    add_interfaces(parser, plain=True)
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the table or the JSON."""
    show(interfaces_of(options, needed=False), as_json=options.json)
    return 0


def show(interfaces: list[str], *, as_json: bool) -> None:
    """Print the status of these interfaces, or of all there are to show if none is given."""
    from ecbpf.chain.status import status, status_text

    states = status(interfaces or None)
    if as_json:
        import json

        print(json.dumps(states, indent=2))
    elif states:
        print(status_text(states))
