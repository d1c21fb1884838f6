"""Write completions/: tab completion for bash, made from the commands' own parsers (`make completions`)."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import shtab

from ecbpf.cli import main
from ecbpf.cli.classic import xdp_bypass_ipvs, xdp_filter, xdp_printk, xdp_root_loader
from ecbpf.lab import node_names
from ecbpf.subprogram.settings import SettingTable, Switch

__all__ = ["FOLDER", "generate"]

FOLDER = Path(__file__).resolve().parents[1] / "completions"

_PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "ecbpf": main.build_parser,
    "xdp_root_loader": xdp_root_loader.build_parser,
    "xdp_bypass_ipvs": xdp_bypass_ipvs.build_parser,
    "xdp_filter": xdp_filter.build_parser,
    "xdp_printk": xdp_printk.build_parser,
}

_HEAD = "# bash completion for {name}, made by tools/completions.py (`make completions`) with shtab.\n"

# Completes the last element of a comma-separated list; never offers lo or an interface already in the list.
_PREAMBLE = """
_ecbpf_interfaces() {
  local name list=""
  [[ "$1" == *,* ]] && list="${1%,*},"
  while IFS= read -r name; do
    name="${name%:*}"
    name="${name//[[:space:]]/}"
    [[ "$name" == lo || ",$list" == *",$name,"* || "$list$name" != "$1"* ]] || echo "$list$name"
  done < <(tail -n +3 /proc/net/dev)
}

_ecbpf_commands() {
  compgen -c -- "$1"
}
"""

_INTERFACES = {"bash": "_ecbpf_interfaces"}
_COMPLETE = {
    "IFACES": _INTERFACES,
    "F": shtab.FILE,
    "COMMAND": {"bash": "_ecbpf_commands"},
}
_CHOICES = {
    "N": [str(slot) for slot in range(8)],
    "NODE": node_names(),
}


def generate() -> dict[str, str]:
    """The completion script of each command, by name."""
    return {name: _script(name, build()) for name, build in _PARSERS.items()}


def _script(name: str, parser: argparse.ArgumentParser) -> str:
    for action, owner in _actions(parser):
        if action.choices:
            continue
        if action.metavar == "NAME=VALUE":
            action.choices = _settings(owner.get_default("table"))
        elif action.metavar in _COMPLETE:
            # shtab reads this attribute; it is set here, so that the commands do not load shtab.
            action.complete = _COMPLETE[action.metavar]  # type: ignore[attr-defined]
        elif action.metavar in _CHOICES:
            action.choices = _CHOICES[action.metavar]
    script = shtab.complete(parser, shell="bash", preamble=_PREAMBLE)
    # shtab's own header describes its command line and another way to install.
    return _HEAD.format(name=name) + script[script.index("\n\n") + 1 :]


def _settings(table: SettingTable) -> list[str]:
    """Each setting with each of its values if it is a switch, else with its default."""
    return [
        f"{row.name}={value}"
        for row in table.rows.values()
        for value in (("on", "off") if isinstance(row, Switch) else (row.default,))
    ]


def _actions(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.Action, argparse.ArgumentParser]]:
    """Every argument of the parser and of its subparsers, with the parser that it belongs to."""
    for action in parser._actions:
        yield action, parser
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, script in generate().items():
        (FOLDER / name).write_text(script)
