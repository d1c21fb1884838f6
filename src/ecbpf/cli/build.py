"""``python3 -m ecbpf.build``: compile a kernel program to an object, or to a Python module that holds it."""

import os
import sys

from ecbpf.build import compile_object
from ecbpf.cli.main import run
from ecbpf.cli.parser import Parser

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Compile one program; returns the exit status."""
    return run(lambda: _build(sys.argv[1:] if argv is None else argv))


def _build(arguments: list[str]) -> int:
    parser = Parser(prog="python3 -m ecbpf.build", description="Compile a kernel program with clang.")
    parser.add_argument("source", help="a kernel program, NAME.bpf.c")
    parser.add_argument(
        "-o", "--output", help="the file to write (default: NAME.bpf.o beside it; with --skeleton, NAME_bpf.py)"
    )
    parser.add_argument("--debug", action="store_true", help="keep the ecbpf_debug() lines")
    parser.add_argument(
        "--skeleton",
        action="store_true",
        help="write a typed Python module that holds the object; its maps, variables and programs are attributes",
    )
    options = parser.parse_args(arguments)
    if options.skeleton:
        from ecbpf.build.skeleton import build_skeleton, module_path

        output = options.output or module_path(options.source)
        warnings = build_skeleton(options.source, output, debug=options.debug)
    else:
        output = options.output or os.path.splitext(options.source)[0] + ".o"
        warnings = compile_object(options.source, output, debug=options.debug)
    sys.stderr.write(warnings)
    return 0
