"""Files of prefixes of both families: one ``PREFIX [TAG]`` per line; # begins a comment, to the end of the line.

A file is read in chunks of whole lines. A chunk goes through few calls that take all its lines at once; a chunk
with anything unusual in it goes line by line to parse_prefix() and check_tag(), which say what is wrong.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from itertools import compress, repeat
from socket import inet_pton
from typing import BinaryIO

import numpy as np

from ecbpf.errors import DataError
from ecbpf.filter.batch import Batch
from ecbpf.filter.lists import Kind, Lists, check_tag
from ecbpf.filter.prefix import BITS, FAMILIES, LENGTHS, MAPPED, ROW, Rows, masked, parse_prefix, text_of

__all__ = ["lines_of", "read_prefixes"]

CHUNK_BYTES = 1 << 18  # and the rest of the last line
LINE_BYTES = 1 << 16  # per line, its end not counted: a file without line ends fails early
_BLANKS = " \t"
_OTHER_BLANKS = (  # other characters that str.split() takes for blanks
    "\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_SHOWN = 120  # characters of an error
_ROWS_AT_ONCE = 1 << 14

Fields = tuple[list[str], list[str]]  # the prefixes, and the prefix tag of each, "" for none


def read_prefixes(file: BinaryIO, name: str, *, time: int, progress: Callable[[int], None] | None = None) -> Batch:
    """The prefixes of a file, all of them or an error. A file without a prefix gives empty rows.

    name: for errors. time: of the rows, seconds since 1970. progress: called now and then with the number of lines
    read. Raises DataError with the number of the first bad line, OSError.
    """
    tags = _Tags({"": 0})
    parts = {family: [np.empty(0, ROW)] for family in BITS}
    lines, had_host_bits, example = 0, 0, ""
    for chunk in _chunks(file):
        try:
            fields = _split(chunk)
            rows = _rows(fields, tags)
        except (DataError, LookupError, OSError, ValueError):
            fields = _split_each(chunk, name, lines)
            rows = _rows(fields, tags)
        for family, part in rows.items():
            part["time"] = time
            had_host_bits += masked(part)
            parts[family].append(part)
        if had_host_bits and not example:
            example = next(text for text in fields[0] if parse_prefix(text).had_host_bits)
        lines += chunk.count(b"\n") + (not chunk.endswith(b"\n"))
        if progress is not None:
            progress(lines)
    all_rows = {family: np.concatenate(some) for family, some in parts.items()}
    return Batch(all_rows, list(tags), had_host_bits, example)


def lines_of(lists: Lists, kind: Kind) -> Iterator[str]:
    """Lines, without their ends, of which read_prefixes() makes the same list; IPv4 first, sorted."""
    ends = [f" {tag}" if tag else "" for tag in map(bytes.decode, lists.tags.tolist())]
    for family in BITS:
        rows = lists.rows[kind, family]
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            for upper, lower, _time, tag, length in rows[start : start + _ROWS_AT_ONCE].tolist():
                yield text_of(family, upper, lower, length) + ends[tag]


class _Tags(dict[str, int]):
    """Tags with their indices; a new one is checked and gets the next."""

    def __missing__(self, tag: str) -> int:
        number = len(self)
        self[check_tag(tag)] = number
        return number


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines, many at a time. Of a line that is too long, a part of more than LINE_BYTES."""
    mark = codecs.BOM_UTF8
    while chunk := file.read(CHUNK_BYTES):
        yield (chunk + file.readline(LINE_BYTES + 1)).removeprefix(mark)
        mark = b""


def _split(chunk: bytes) -> Fields:
    """The fields of all lines, unchecked. Raises ValueError if a line may be too long, or has unusual blanks."""
    text = chunk.decode().replace("\r\n", "\n")
    if any(blank in text for blank in _OTHER_BLANKS):
        raise ValueError("unusual blanks")
    lines = text.split("\n")
    if max(map(len, lines)) >= LINE_BYTES // 4:  # a character has 4 bytes at most
        raise ValueError("a long line")
    if "#" in text:
        lines = [line.partition("#")[0] for line in lines]
    prefixes, tags = [], []
    # Two lists of strings, not one of pairs: the garbage collector would look at the pairs again and again.
    for line in lines:
        fields = line.rstrip().split(None, 1)
        if fields:
            prefixes.append(fields[0])
            tags.append(fields[1] if len(fields) > 1 else "")
    return prefixes, tags


def _split_each(chunk: bytes, name: str, lines_before: int) -> Fields:
    """The same, each line checked. Raises DataError with the number of the first bad line."""
    prefixes, tags = [], []
    for number, line in enumerate(chunk.split(b"\n"), lines_before + 1):
        try:
            prefix, tag = _split_line(line)
        except DataError as error:
            why = f"{error.what}: {error.why}"
            short = why if len(why) <= _SHOWN else f"{why[:_SHOWN]}..."
            raise DataError(f"{name}, line {number}", short, error.hint) from None
        if prefix:
            prefixes.append(prefix)
            tags.append(tag)
    return prefixes, tags


def _split_line(line: bytes) -> tuple[str, str]:
    """The prefix and the prefix tag of a line, "" where there is none. Raises DataError if it is bad."""
    if len(line) > LINE_BYTES:
        raise DataError(f"more than {LINE_BYTES} bytes", "too long for a line", "give a file of prefixes")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"byte 0x{line[error.start]:02x}", "not UTF-8", "give a text file in UTF-8") from None
    content = text.removesuffix("\r").partition("#")[0].strip(_BLANKS)
    prefix = content.replace("\t", " ").partition(" ")[0]
    if prefix:
        parse_prefix(prefix)
    return prefix, check_tag(content[len(prefix) :].lstrip(_BLANKS))


def _rows(fields: Fields, tags: _Tags) -> dict[int, Rows]:
    """Rows by family, host bits as given. Raises one of several errors if a field is bad."""
    tag_indices = np.array(list(map(tags.__getitem__, fields[1])), np.uint32)
    is_ip6 = np.array([":" in prefix for prefix in fields[0]], bool)
    rows = {}
    for family, wanted in ((4, ~is_ip6), (6, is_ip6)):
        rows[family] = _family_rows(family, compress(fields[0], wanted.tolist()))
        rows[family]["tag"] = tag_indices[wanted]
    return rows


def _family_rows(family: int, prefixes: Iterable[str]) -> Rows:
    """_rows() of the prefixes of one family."""
    lengths_by_text = LENGTHS[family]
    addresses, lengths = [], []
    for prefix in prefixes:
        address, slash, length = prefix.partition("/")
        addresses.append(address)
        lengths.append(lengths_by_text[slash + length])
    packed = b"".join(map(inet_pton, repeat(FAMILIES[family]), addresses))
    rows = np.zeros(len(addresses), ROW)
    rows["length"] = lengths
    if family == 4:
        rows["upper"] = np.frombuffer(packed, ">u4").astype(np.uint64) << np.uint64(32)
    else:
        rows["upper"], rows["lower"] = np.frombuffer(packed, ">u8").reshape(-1, 2).T
        if ((rows["upper"] == 0) & (rows["lower"] >> np.uint64(32) == MAPPED)).any():
            raise ValueError("an IPv4 address mapped into IPv6")
    return rows
