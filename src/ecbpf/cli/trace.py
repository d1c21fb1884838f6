"""``ecbpf trace``."""

import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments; a note for --help."""
    parser.epilog = "Stop it with Ctrl-C. The machine has one trace pipe: each line goes to one reader only."


def run(_options: argparse.Namespace) -> int:
    """Print the trace pipe until it is interrupted."""
    from ecbpf.kernel.tracepipe import lines

    for line in lines():
        print(line, flush=True)
    return 0
