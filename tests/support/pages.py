"""What a reader of README.md and docs/ types, and what the page shows for it."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

__all__ = ["CHECKOUT", "SESSIONS", "Block", "Typing", "blocks_of", "typings"]

CHECKOUT = Path(__file__).parents[2]

# Pages whose commands all belong together, and with the files that they show.
SESSIONS = ("docs/subprogram.md", "docs/library.md")

_FENCE = re.compile(r"^```(\w+)(?: title=(\S+))?( not run)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: ```` ```LANGUAGE ````. ``title=FILE``: it is that file; ``not run``: no test types it."""

    language: str
    title: str
    is_run: bool
    text: str


class Typing(NamedTuple):
    """A command, which stands behind a ``$``, and the lines below it."""

    command: str
    shown: str


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, whose path is from the checkout's root."""
    found = _FENCE.findall((CHECKOUT / page).read_text())
    return [Block(language, title, not mark, text) for language, title, mark, text in found]


def typings(block: Block) -> list[Typing]:
    """The commands of a ``console`` block. A quote that is open at the end of a line goes on in the next one."""
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
