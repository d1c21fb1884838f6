"""The commands that README.md and docs/ show, and the output beside them."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

__all__ = ["CHECKOUT", "SESSIONS", "Block", "Typing", "blocks_of", "typings"]

CHECKOUT = Path(__file__).parents[2]

# Pages whose commands and files form one session.
SESSIONS = ("docs/subprogram.md", "docs/library.md")

_FENCE = re.compile(r"^```(\w+)(?: title=(\S+))?( not run)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: ```` ```LANGUAGE ````. ``title=FILE``: it is that file; ``not run``: no test runs it."""

    language: str
    title: str
    is_run: bool
    text: str


class Typing(NamedTuple):
    """A command, which follows a ``$``, and the lines below it."""

    command: str
    shown: str


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, whose path is relative to the root of the checkout."""
    found = _FENCE.findall((CHECKOUT / page).read_text())
    return [Block(language, title, not mark, text) for language, title, mark, text in found]


def typings(block: Block) -> list[Typing]:
    """The commands of a ``console`` block. A quote left open at the end of a line continues in the next."""
    found = []
    for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        while _is_open(command) and shown:
            more, _, shown = shown.partition("\n")
            command += "\n" + more
        found.append(Typing(command, shown))
    return found


def _is_open(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        return True
    return command.endswith("\\")
