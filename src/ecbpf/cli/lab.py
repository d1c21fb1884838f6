"""``ecbpf lab``: network namespaces as a server and a client, or as a director, its router and real servers."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from ecbpf.errors import UsageError

if TYPE_CHECKING:
    from ecbpf.lab import LabStatus, Topology

__all__ = ["add_arguments", "run"]

_DEFAULT, _DIRECTOR = "server", "director"
_LABS = (_DEFAULT, _DIRECTOR)
_VLANS = range(2, 4095)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `ecbpf lab`."""
    verbs = parser.add_subparsers(dest="lab_verb", metavar="VERB", required=True)
    up = verbs.add_parser("up", help="build the lab, or complete it")
    _add_lab(up)
    up.add_argument(
        "--vlan", metavar="VLAN", type=int, help="put the director's real servers in this VLAN (2-4094)"
    )
    _add_lab(verbs.add_parser("down", help="remove the lab"))
    shown = verbs.add_parser("status", help="say whether it is up, partly up or down, and what is wrong")
    _add_lab(shown)
    shown.add_argument("--json", action="store_true", help="print it as JSON")
    execute = verbs.add_parser(
        "exec", help="run a command in a node's network", usage="ecbpf lab exec NODE -- COMMAND ..."
    )
    execute.add_argument("node", metavar="NODE", help="a node that status shows, or LAB/NODE if two labs have one")
    execute.add_argument(
        "command", metavar="COMMAND", nargs=argparse.REMAINDER, help="the command and its arguments"
    )


def _add_lab(parser: argparse.ArgumentParser) -> None:
    text = "server (and a client; the default), or director (IPVS, with a router and two real servers)"
    parser.add_argument("lab", metavar="LAB", nargs="?", choices=_LABS, default=_DEFAULT, help=text)


def run(options: argparse.Namespace) -> int:
    """Do the verb; returns the exit status. Raises EcbpfError."""
    from ecbpf import lab

    match options.lab_verb:
        case "up":
            topology = _topology(options)
            _print(lab.up(topology), topology)
        case "down":
            lab.down(lab.LABS[options.lab])
        case "status":
            topology = lab.topology_of(options.lab)
            found = lab.status(topology)
            if options.json:
                json.dump(asdict(found), sys.stdout, indent=2)
                print()
            else:
                _print(found, topology)
        case "exec":
            lab.execute(options.node, _command(options.command))
    return 0


def _topology(options: argparse.Namespace) -> "Topology":
    """The lab to build."""
    from ecbpf import lab

    if options.vlan is None:
        return lab.topology_of(options.lab)
    if options.lab != _DIRECTOR:
        raise UsageError("--vlan", f"the lab {options.lab} has no VLAN", f"ecbpf lab up {_DIRECTOR} --vlan VLAN")
    if options.vlan not in _VLANS:
        raise UsageError("--vlan", f"{options.vlan} is not between {_VLANS[0]} and {_VLANS[-1]}")
    return lab.director(options.vlan)


def _command(words: list[str]) -> list[str]:
    """The command after NODE, with or without ``--`` before it."""
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        raise UsageError("lab exec", "no command", "ecbpf lab exec NODE -- COMMAND ...")
    if command is words and words[0].startswith("-"):
        raise UsageError(words[0], "neither an option of lab exec nor a command", "put -- before COMMAND")
    return command


def _print(found: "LabStatus", topology: "Topology") -> None:
    print(f"{topology.title}: {found.state}")
    if found.state == "down":
        return
    width = max(len(node.namespace) for node in found.nodes)
    longest = max(len(interface.name) for node in found.nodes for interface in node.interfaces)
    for node in found.nodes:
        for interface in node.interfaces:
            addresses = " ".join(interface.addresses) or "-"
            print(f"{node.name:8} {node.namespace:{width + 2}} {interface.name:{longest + 2}} {addresses}")
    for problem in found.problems:
        print(f"problem: {problem}")
