"""The command ``ecbpf``. Nouns only show; verbs change something."""

import importlib
import os
import sys

import ecbpf
from ecbpf.cli.output import flush, notice
from ecbpf.cli.parser import Parser
from ecbpf.errors import EcbpfError, MissingError
from ecbpf.notices import listen

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["build_parser", "main", "run"]

# Each command is the module of that name beside this one; only the one that is used is loaded.
COMMANDS = {
    "status": "what each slot of each root array has done",
    "attach": "attach the root array to interfaces, or a subprogram to a slot",
    "detach": "detach the root array from interfaces, or empty a slot",
    "clear": "set the root arrays' counts to zero",
    "trace": "print the kernel's trace pipe, with the lines of printk and of debug builds",
    "filter": "drop sources and fragments: slot 2",
    "fastpath": "send established flows past IPVS: slot 7 and tc egress",
    "printk": "log one line per packet: slot 6",
    "lab": "network namespaces to try ecbpf in",
}


def build_parser(only: str = "") -> Parser:
    """The parser of the whole command line. only: load the arguments of this command alone, for speed."""
    parser = Parser(prog="ecbpf", description=(ecbpf.__doc__ or "").partition("\n")[0])
    parser.add_argument("--version", action="version", version=f"ecbpf {ecbpf.__version__}")
    _add_debug(parser)
    # prog is given so that argparse does not format a usage line to find it, which would load shutil.
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

    debug: do not catch errors, so that they show their traceback.
    """
    listen(notice)
    try:
        status = act()
        flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output may close it at any line; the rest is discarded.
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
        if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("ecbpf.objects"):
            missing = MissingError(error.name or "", "the kernel programs are not compiled", "make setup")
            notice(str(missing))
            return missing.exit_status
        kind = type(error).__name__
        notice(f"internal error: {kind}: {error}; run it with --debug and report the output")
        return os.EX_SOFTWARE


if __name__ == "__main__":
    sys.exit(main())
