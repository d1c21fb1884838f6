"""``ecbpf fastpath``."""

from ecbpf.cli.fastpath.arguments import add_arguments, run

__all__ = ["add_arguments", "run"]
