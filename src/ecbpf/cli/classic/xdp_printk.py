"""``xdp_printk``: the classic command for `ecbpf printk`."""

import sys

from ecbpf.cli.main import run
from ecbpf.cli.parser import Parser, interfaces_of

__all__ = ["build_parser", "main"]


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(prog="xdp_printk", description="log one line per packet to the trace pipe: slot 6")
    verbs = parser.add_mutually_exclusive_group(required=True)
    verbs.add_argument("--attach", action="store_true", help="fill the slot")
    verbs.add_argument("--detach", action="store_true", help="empty it")
    parser.add_argument("--interface", metavar="IFACES", help="one, or several separated by , - or :")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def main() -> int:
    """Run the command; returns its exit status."""
    return run(_act, debug="--debug" in sys.argv)


def _act() -> int:
    options = build_parser().parse_args()
    interfaces = interfaces_of(options)

    from ecbpf.cli.output import print_changes
    from ecbpf.printk import Printk
    from ecbpf.subprogram import verbs

    print_changes(verbs.attach(interfaces, Printk()) if options.attach else verbs.detach(interfaces, Printk))
    return 0
