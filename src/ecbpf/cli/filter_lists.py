"""``ecbpf filter list, load, save, check``: what reads or writes whole lists."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import tempfile
import time
from typing import Any, BinaryIO

from ecbpf.cli.filter import comma_separated, print_host_bits, print_json, print_summaries, set_output
from ecbpf.errors import DataError, EcbpfError, UsageError
from ecbpf.filter.change import list_prefixes
from ecbpf.filter.files import lines_of, read_prefixes
from ecbpf.filter.lists import ALLOW, DROP, Lists
from ecbpf.filter.prefix import parse_address, text_of
from ecbpf.filter.running import find_filter
from ecbpf.filter.status import entries, load_time

__all__ = ["run"]


def run(options: argparse.Namespace, interfaces: list[str]) -> None:
    """Do the verb."""
    match options.filter_verb:
        case "list":
            _list(interfaces, ALLOW if options.allowed else DROP, as_json=options.json)
        case "load":
            _load(interfaces, options.file, replace=options.replace, dry_run=options.dry_run)
        case "save":
            _save(interfaces, options.file)
        case "check":
            _check(interfaces, comma_separated(options.addresses), as_json=options.json)


def _list(interfaces: list[str], kind: str, *, as_json: bool) -> None:
    every = {interface: find_filter(interface).sets.read() for interface in interfaces}
    if as_json:
        print_json({interface: entries(lists, kind) for interface, lists in every.items()})
        return
    set_output("utf-8")  # as `load` takes it
    for interface, lists in every.items():
        if len(every) > 1:
            print(f"# {interface}")
        for line in lines_of(lists, kind):
            print(line)


def _load(interfaces: list[str], path: str, *, replace: bool, dry_run: bool) -> None:
    for interface in interfaces:
        find_filter(interface)  # before a large file is read for nothing
    is_stdin = path == "-"
    name = "standard input" if is_stdin else path or "''"
    if is_stdin and sys.stdin is None:  # and its number may be another file's by now
        raise DataError(name, "closed", "give a file of prefixes")
    try:
        with open(0 if is_stdin else path, "rb", closefd=not is_stdin) as file:
            batch = _read(file, name)
    except OSError as error:
        raise DataError(name, error.strerror or str(error), "give a file of prefixes, or -") from None
    summaries = list_prefixes(interfaces, DROP, batch, replace=replace, dry_run=dry_run)
    print_host_bits(batch.had_host_bits, batch.example)
    print_summaries(summaries, dry_run=dry_run)


def _read(file: BinaryIO, name: str) -> Any:
    if not sys.stderr.isatty():
        return read_prefixes(file, name, time=int(time.time()))

    def progress(lines: int) -> None:
        print(f"\r{lines:,} lines", end="", file=sys.stderr, flush=True)

    try:
        return read_prefixes(file, name, time=int(time.time()), progress=progress)
    finally:
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _save(interfaces: list[str], path: str) -> None:
    if len(interfaces) != 1:
        raise UsageError("save", "writes the drop set of one interface", "name one")
    lists = find_filter(interfaces[0]).sets.read()
    if path == "-":
        set_output("utf-8")
        for line in lines_of(lists, DROP):
            print(line)
        return
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "w", encoding="utf-8") as device:
                device.writelines(f"{line}\n" for line in lines_of(lists, DROP))
        else:
            _write(lists, os.path.realpath(path))
    except OSError as error:
        raise EcbpfError(path or "''", error.strerror or str(error), "save it elsewhere") from None
    count = lists.count(DROP)
    print(f"{interfaces[0]}: {count} {'prefix' if count == 1 else 'prefixes'} written to {path}")


def _write(lists: Lists, path: str) -> None:
    """Write a file of that name, whole or not at all. Raises OSError."""
    with tempfile.NamedTemporaryFile(
        "w",
        encoding="utf-8",
        dir=os.path.dirname(path) or ".",
        prefix=f".{os.path.basename(path)}.",
        delete=False,
    ) as file:
        try:
            file.writelines(f"{line}\n" for line in lines_of(lists, DROP))
            file.flush()
            os.fsync(file.fileno())
            _set_rights(file.fileno(), path)
            os.rename(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _set_rights(file: int, path: str) -> None:
    """Owner and mode of the file there, which this one is to replace, or of any new one. Raises OSError."""
    try:
        old = os.stat(path)
    except FileNotFoundError:
        umask = os.umask(0o077)
        os.umask(umask)
        os.fchmod(file, 0o666 & ~umask)
    else:
        os.fchown(file, old.st_uid, old.st_gid)
        os.fchmod(file, stat.S_IMODE(old.st_mode))


def _check(interfaces: list[str], texts: list[str], *, as_json: bool) -> None:
    every = {interface: find_filter(interface).sets.read() for interface in interfaces}
    answers = {interface: [_answer(lists, text) for text in texts] for interface, lists in every.items()}
    if as_json:
        print_json(answers)
        return
    for interface, found in answers.items():
        for answer in found:
            print(f"{interface}: {_sentence(answer)}")


def _answer(lists: Lists, text: str) -> dict[str, Any]:
    """Whether an address is dropped, and the most exact entry of each list that has it."""
    address = parse_address(text)
    answer: dict[str, Any] = {"Address": text}
    for kind, places in lists.covering(address).items():
        if places:
            upper, lower, seconds, tag, length = lists.rows[kind, address.family][places[0]].tolist()
            answer[kind] = {
                "Prefix": text_of(address.family, upper, lower, length),
                "Tag": lists.tag(tag),
                "Load Time": load_time(seconds),
            }
    return answer | {"Dropped": lists.drops(address)}


def _sentence(answer: dict[str, Any]) -> str:
    text = f"{answer['Address']} is {'dropped' if answer['Dropped'] else 'not dropped'}"
    if ALLOW in answer:
        text += f": allowed by {_entry(answer[ALLOW])}"
    if DROP in answer:
        text += f", though listed by {_entry(answer[DROP])}" if ALLOW in answer else f" by {_entry(answer[DROP])}"
    return text


def _entry(entry: dict[str, str]) -> str:
    tag = f"{entry['Tag']}, " if entry["Tag"] else ""
    return f"{entry['Prefix']} ({tag}since {entry['Load Time']})"
