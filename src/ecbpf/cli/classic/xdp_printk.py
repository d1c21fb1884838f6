"""``xdp_printk``: the classic face of `ecbpf printk`."""

from ecbpf.cli.main import run
from ecbpf.cli.parser import Parser, interfaces_of

__all__ = ["build_parser", "main"]


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(prog="xdp_printk", description="log a line a packet to the trace pipe: slot 6")
    verbs = parser.add_mutually_exclusive_group(required=True)
    verbs.add_argument("--attach", action="store_true", help="fill the slot")
    verbs.add_argument("--detach", action="store_true", help="empty it")
    parser.add_argument("--interface", metavar="IFACES", help="one, or several separated by , - or :")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def main() -> int:
    """Run the command; returns its exit status."""
    import sys

    def act() -> int:
        from ecbpf.cli import printk

        options = build_parser().parse_args()
        printk.act("attach" if options.attach else "detach", interfaces_of(options))
        return 0

    return run(act, debug="--debug" in sys.argv)
