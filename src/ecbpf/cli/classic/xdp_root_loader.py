"""``xdp_root_loader``: the classic command for ecbpf status, attach, detach, clear and trace."""

import argparse
import sys

from ecbpf.cli import attach, clear, detach, status, trace
from ecbpf.cli.main import run
from ecbpf.cli.parser import Parser, interfaces_of
from ecbpf.errors import UsageError

__all__ = ["build_parser", "main"]


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(prog="xdp_root_loader", description="the root array of XDP programs on an interface")
    verbs = parser.add_mutually_exclusive_group(required=True)
    verbs.add_argument("--attach", action="store_true", help="attach the root array, or replace it in place")
    verbs.add_argument("--detach", action="store_true", help="take it off; its slots go too")
    verbs.add_argument(
        "--status",
        "--stats",
        action="store_true",
        help="print counts per slot, of all interfaces if none is named",
    )
    verbs.add_argument("--clear", action="store_true", help="set the counts to zero")
    verbs.add_argument("--trace", action="store_true", help="print the kernel's trace pipe")
    parser.add_argument("--interface", metavar="IFACES", help="one, or several separated by , - or :")
    parser.add_argument("--nop", action="store_true", help="with --attach: an inert program instead of the root")
    parser.add_argument("--generic", action="store_true", help="with --attach: generic mode")
    parser.add_argument("--force", action="store_true", help="with --attach: replace a program that is not ours")
    parser.add_argument("--filename", metavar="F", default="", help="with --attach: another root's object file")
    parser.add_argument("--json", action="store_true", help="with --status: as JSON")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def main() -> int:
    """Run the command; returns its exit status."""
    return run(lambda: _act(build_parser().parse_args()), debug="--debug" in sys.argv)


def _act(options: argparse.Namespace) -> int:
    if not options.attach and (options.nop or options.generic or options.force or options.filename):
        raise UsageError("xdp_root_loader", "--nop, --generic, --force and --filename go with --attach")
    if options.json and not options.status:
        raise UsageError("xdp_root_loader", "--json goes with --status")
    if options.trace:
        return trace.run(options)
    interfaces = interfaces_of(options, needed=options.attach or options.detach)
    if options.status:
        status.show(interfaces, as_json=options.json)
    elif options.clear:
        clear.clear_counts(interfaces)
    elif options.detach:
        detach.detach_root(interfaces)
    else:
        attach.attach_root(
            interfaces,
            nop=options.nop,
            generic=options.generic,
            force=options.force,
            filename=options.filename,
        )
    return 0
