"""ecbpf lab: a server and a client out of network namespaces."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from ecbpf.errors import UsageError

if TYPE_CHECKING:
    from ecbpf.lab import LabStatus

__all__ = ["HELP", "add_arguments", "run"]

HELP = "a server and a client in network namespaces, to try things in"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs of `ecbpf lab` to `parser`."""
    verbs = parser.add_subparsers(dest="lab_verb", metavar="VERB", required=True)
    verbs.add_parser("up", help="build the lab; complete it if it is half there")
    verbs.add_parser("down", help="take it away")
    shown = verbs.add_parser("status", help="say what is there: up, partly or down")
    shown.add_argument("--json", action="store_true", help="print it as JSON")
    execute = verbs.add_parser(
        "exec", help="run a command in the network of a node", usage="ecbpf lab exec NODE -- COMMAND ..."
    )
    execute.add_argument("node", metavar="NODE", help="server or client")
    execute.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="with its arguments")


def run(options: argparse.Namespace) -> int:
    """Do what `options` say; returns the exit status. Raises EcbpfError."""
    from ecbpf import lab

    match options.lab_verb:
        case "up":
            _print(lab.up())
        case "down":
            lab.down()
        case "status":
            found = lab.status()
            if options.json:
                json.dump(asdict(found), sys.stdout, indent=2)
                print()
            else:
                _print(found)
        case "exec":
            lab.execute(options.node, _command(options.command))
    return 0


def _command(words: list[str]) -> list[str]:
    """The command after NODE, with or without ``--`` before it."""
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        raise UsageError("lab exec", "no command", "ecbpf lab exec NODE -- COMMAND ...")
    if command is words and words[0].startswith("-"):
        raise UsageError(words[0], "neither an option of lab exec nor a command", "put -- before COMMAND")
    return command


def _print(found: "LabStatus") -> None:
    print(f"lab: {found.state}")
    if found.state == "down":
        return
    for node in found.nodes:
        for port in node.interfaces:
            print(f"{node.name:8} {node.namespace:14} {port.name:6} {' '.join(port.addresses) or '-'}")
    for problem in found.problems:
        print(f"problem: {problem}")
