"""``ecbpf trace``."""

import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    parser.epilog = "Ends with Ctrl-C. The pipe is one for the machine: what one reader takes another misses."


def run(_options: argparse.Namespace) -> int:
    """Print the trace pipe until it is interrupted."""
    from ecbpf.kernel.tracepipe import lines

    for line in lines():
        print(line, flush=True)
    return 0
