"""``ecbpf``: the tool. Nouns show and change nothing, verbs change."""

import importlib
import os
import sys

import ecbpf
from ecbpf.cli.output import notice
from ecbpf.cli.parser import Parser
from ecbpf.errors import EcbpfError
from ecbpf.notices import listen

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["build_parser", "main", "run"]

# A command is the file of its name beside this one; only the one that is used is loaded.
COMMANDS = {
    "status": "what every slot of every root array did",
    "attach": "attach the root array to interfaces, or a subprogram to a slot",
    "detach": "take the root array off interfaces, or empty a slot",
    "clear": "set the counts to zero",
    "trace": "print the kernel's trace pipe, where printk and debug lines go",
    "filter": "drop sources and fragments: slot 2",
    "fastpath": "send established flows past IPVS: slot 7 and tc egress",
    "printk": "log one line per packet: slot 6",
    "lab": "network namespaces to try it all in",
}


def build_parser(only: str = "") -> Parser:
    """The whole command line; only: the command whose arguments are wanted, for speed."""
    parser = Parser(prog="ecbpf", description=ecbpf.__doc__)
    parser.add_argument("--version", action="version", version=f"ecbpf {ecbpf.__version__}")
    _add_debug(parser)
    # With prog given, argparse does not lay out a usage line to find it: that would load shutil.
    commands = parser.add_subparsers(prog="ecbpf", metavar="COMMAND", required=True, parser_class=Parser)
    for name, text in COMMANDS.items():
        if only in ("", name):
            command = commands.add_parser(name, help=text, description=text)
            _add_debug(command)
            module = importlib.import_module(f"ecbpf.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _add_debug(parser: Parser) -> None:
    parser.add_argument("--debug", action="store_true", help="show where an error came from")


def main(argv: "list[str] | None" = None) -> int:
    """Run one ecbpf command; returns its exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    command = next((word for word in arguments if not word.startswith("-")), "")

    def act() -> int:
        options = build_parser(only=command if command in COMMANDS else "").parse_args(arguments)
        return int(options.run(options))

    return run(act, debug="--debug" in arguments)


def run(act: "Callable[[], int]", *, debug: bool = False) -> int:
    """Call `act`, and turn what it raises into one line and an exit status (README, Exit status).

    debug: let the error through, traceback and all.
    """
    listen(notice)
    try:
        status = act()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # A reader of our output may stop at any line; the rest goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (EcbpfError, OSError) as error:
        if debug:
            raise
        notice(str(error))
        return error.exit_status if isinstance(error, EcbpfError) else 1
    except Exception as error:
        if debug:
            raise
        kind = type(error).__name__
        notice(f"internal error: {kind}: {error}; run it with --debug and report that")
        return os.EX_SOFTWARE


if __name__ == "__main__":
    sys.exit(main())
