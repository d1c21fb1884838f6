"""``ecbpf printk``."""

import argparse

from ecbpf.cli.parser import add_verbs
from ecbpf.cli.subprogram import add_common_arguments, do, verb_texts
from ecbpf.printk import Printk

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs that every subprogram has."""
    add_common_arguments(add_verbs(parser, verb_texts(Printk)), Printk)


def run(options: argparse.Namespace) -> int:
    """Do the verb."""
    return do(options, Printk)
