"""Files of prefixes: valid and bad lines, line numbers of errors, and a save and load that changes nothing."""

import io
import random
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network, IPv6Network

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecbpf.errors import DataError
from ecbpf.filter import files
from ecbpf.filter.batch import Batch
from ecbpf.filter.files import lines_of, read_prefixes
from ecbpf.filter.lists import ALLOW, DROP, Lists
from ecbpf.filter.prefix import parse_prefix, text_of

TIME = 1_700_000_000


def read(data: bytes) -> Batch:
    return read_prefixes(io.BytesIO(data), "some.txt", time=TIME)


def refuse(chunk: bytes) -> None:
    raise ValueError


def slowly(data: bytes) -> Batch:
    """The same, line by line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_split", refuse)
        return read(data)


def in_chunks_of(size: int, data: bytes) -> Batch:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "CHUNK_BYTES", size)
        return read(data)


def pairs(batch: Batch) -> list[tuple[str, str]]:
    """(prefix, tag), IPv4 first."""
    return [
        (text_of(family, upper, lower, length), batch.tags[tag])
        for family, rows in batch.rows.items()
        for upper, lower, _time, tag, length in rows.tolist()
    ]


def what_happens(data: bytes, how: Callable[[bytes], Batch] = read) -> object:
    """All of a batch, or the error, to compare."""
    try:
        batch = how(data)
    except DataError as error:
        return str(error)
    return {family: rows.tolist() for family, rows in batch.rows.items()}, batch[1:]


GOOD: list[tuple[bytes, list[tuple[str, str]]]] = [
    (b"", []),
    (b"\n", []),
    (b"\r\n \t\r\n# nothing\n  # more", []),
    (b"10.0.0.0/8", [("10.0.0.0/8", "")]),
    (b"10.0.0.0/8\n", [("10.0.0.0/8", "")]),
    (b"10.0.0.0/8\r\n", [("10.0.0.0/8", "")]),
    (b"10.0.0.0/8\r", [("10.0.0.0/8", "")]),
    (b"10.0.0.0/08", [("10.0.0.0/8", "")]),
    (b"192.0.2.7", [("192.0.2.7/32", "")]),
    (b"0.0.0.0/0\n::/0", [("0.0.0.0/0", ""), ("::/0", "")]),
    (b"2001:DB8::7", [("2001:db8::7/128", "")]),
    (b"2001:db8::/32 a\n10.1.2.3/16 b", [("10.1.0.0/16", "b"), ("2001:db8::/32", "a")]),
    (b"::192.0.2.7", [("::192.0.2.7/128", "")]),
    (b"::1:ffff:0:0/96", [("::1:ffff:0:0/96", "")]),
    (b"\xef\xbb\xbf10.0.0.0/8", [("10.0.0.0/8", "")]),
    (b"\xef\xbb\xbf# comment\n10.0.0.0/8", [("10.0.0.0/8", "")]),
    (b"\xef\xbb\xbf", []),
    (b" \t10.0.0.0/8 \t a tag \t# comment\r\n", [("10.0.0.0/8", "a tag")]),
    (b"10.0.0.0/8 a  b\r\n", [("10.0.0.0/8", "a  b")]),
    (b"10.0.0.0/8\ta/b:c\n", [("10.0.0.0/8", "a/b:c")]),
    (b"10.0.0.0/8#tag", [("10.0.0.0/8", "")]),
    (b"10.0.0.0/8 tag#tag", [("10.0.0.0/8", "tag")]),
    (b"10.0.0.0/8 # \0\x0b\x1c\r\xc2\x85\xe2\x80\xa8 10.0.0.0/8", [("10.0.0.0/8", "")]),
    ("10.0.0.0/8 Köln".encode(), [("10.0.0.0/8", "Köln")]),
    (b"10.0.0.0/8 " + 31 * "ö".encode() + b"x", [("10.0.0.0/8", 31 * "ö" + "x")]),
    (b"10.0.0.0/8 a\n10.0.0.0/8 b\n10.0.0.0/8", [("10.0.0.0/8", "a"), ("10.0.0.0/8", "b"), ("10.0.0.0/8", "")]),
    (b"#" + 65535 * b"x" + b"\n10.0.0.0/8", [("10.0.0.0/8", "")]),
    (65526 * b" " + b"10.0.0.0/8\n", [("10.0.0.0/8", "")]),
]

NO_ADDRESS = "not an IP address; for instance 192.0.2.7 or 2001:db8::7"
PLAIN = "no #, control characters or blanks around it; give plain text"
BAD: list[tuple[bytes, str]] = [
    (b"x", f"'x': {NO_ADDRESS}"),
    (b"10.0.0.0/", "'10.0.0.0/': '' is not a valid prefix length; give 0 to 32"),
    (b"/8", f"'': {NO_ADDRESS}"),
    (b"10.0.0.0/33", "'10.0.0.0/33': '33' is not a valid prefix length; give 0 to 32"),
    (b"::/129 tag", "'::/129': '129' is not a valid prefix length; give 0 to 128"),
    (b"10.0.0.0/-1", "'10.0.0.0/-1': '-1' is not a valid prefix length; give 0 to 32"),
    (b"10.0.0.0/2_4", "'10.0.0.0/2_4': '2_4' is not a valid prefix length; give 0 to 32"),
    (b"10.0.0.0/0024", "'10.0.0.0/0024': '0024' is not a valid prefix length; give 0 to 32"),
    ("10.0.0.0/２4".encode(), "'10.0.0.0/２4': '２4' is not a valid prefix length; give 0 to 32"),  # noqa: RUF001
    (b"10.0.0.0/8/8", "'10.0.0.0/8/8': '8/8' is not a valid prefix length; give 0 to 32"),
    (b"10.0.0.0/:8", "'10.0.0.0/:8': ':8' is not a valid prefix length; give 0 to 32"),
    (b"10.0.0.0/255.0.0.0", "'10.0.0.0/255.0.0.0': '255.0.0.0' is not a valid prefix length; give 0 to 32"),
    (b"10.0.0/8", f"'10.0.0': {NO_ADDRESS}"),
    (b"10.0.0.01", f"'10.0.0.01': {NO_ADDRESS}"),
    (b"fe80::1%lo", f"'fe80::1%lo': {NO_ADDRESS}"),
    (b"10.0.0.0\0/8", f"'10.0.0.0\\x00': {NO_ADDRESS}"),
    (b"\xef\xbb\xbf10.0.0.0", f"'\\ufeff10.0.0.0': {NO_ADDRESS}"),
    ("10.0.0.0/8\xa0tag".encode(), "'10.0.0.0/8\\xa0tag': '8\\xa0tag' is not a valid prefix length; give 0 to 32"),
    ("\x85".encode(), f"'\\x85': {NO_ADDRESS}"),
    (b"10.0.0.0\x0b10.0.0.0", f"'10.0.0.0\\x0b10.0.0.0': {NO_ADDRESS}"),
    (b"10.0.0.0\r10.0.0.1", f"'10.0.0.0\\r10.0.0.1': {NO_ADDRESS}"),
    (
        b"::ffff:192.0.2.7",
        "::ffff:192.0.2.7: an IPv4-mapped IPv6 address, which no packet carries; give 192.0.2.7",
    ),
    (b"::ffff:0:0/96", "::ffff:0:0: an IPv4-mapped IPv6 address, which no packet carries; give 0.0.0.0"),
    (b"10.0.0.0/8 " + 64 * b"x", f"tag '{64 * 'x'}': too long: 64 bytes; 63 at most"),
    (b"10.0.0.0/8 " + 32 * "ö".encode(), f"tag '{32 * 'ö'}': too long: 64 bytes; 63 at most"),
    (b"10.0.0.0/8 a\tb", f"tag 'a\\tb': {PLAIN}"),
    (b"10.0.0.0/8 a\x1cb", f"tag 'a\\x1cb': {PLAIN}"),
    (b"10.0.0.0/8 \x0b", f"tag '\\x0b': {PLAIN}"),
    (b"10.0.0.0/8 a\0", f"tag 'a\\x00': {PLAIN}"),
    (b"10.0.0.0/8 a\r\r\n", f"tag 'a\\r': {PLAIN}"),
    ("10.0.0.0/8 a\u2028b".encode(), f"tag 'a\\u2028b': {PLAIN}"),
    (b"10.0.0.0/8 K\xf6ln", "byte 0xf6: not UTF-8; give a text file in UTF-8"),
    (b"10.0.0.0/8 # K\xf6ln", "byte 0xf6: not UTF-8; give a text file in UTF-8"),
    (b"10.0.0.0/8 \xed\xa0\x80", "byte 0xed: not UTF-8; give a text file in UTF-8"),
    (b"10.0.0.0/8 \xc3", "byte 0xc3: not UTF-8; give a text file in UTF-8"),
    (b"#" + 32768 * "ö".encode(), "more than 65536 bytes: too long for a line; give a file of prefixes"),
    (b"#" + 65536 * b"x", "more than 65536 bytes: too long for a line; give a file of prefixes"),
    (b"10.0.0.0/" + 5000 * b"8", f"'10.0.0.0/{110 * '8'}...; give 0 to 32"),
]


@pytest.mark.parametrize("how", [read, slowly])
@pytest.mark.parametrize(("data", "expected"), GOOD)
def test_good(data: bytes, expected: list[tuple[str, str]], how: Callable[[bytes], Batch]) -> None:
    assert pairs(how(data)) == expected


@pytest.mark.parametrize("how", [read, slowly])
@pytest.mark.parametrize(("line", "message"), BAD)
@pytest.mark.parametrize("end", [b"", b"\n", b"\nalso bad\n\xff"])
def test_bad(line: bytes, message: str, end: bytes, how: Callable[[bytes], Batch]) -> None:
    data = b"\xef\xbb\xbf# first\n10.0.0.0/8 good\n" + line + end
    assert what_happens(data, how) == f"some.txt, line 3: {message}"


def test_rows() -> None:
    batch = read(b"2001:db8::1:0:0:1/80 b\n10.1.2.3/16 a\n\n10.0.0.0/8\n10.0.0.1/31 b\n")
    assert batch.tags == ["", "b", "a"]
    assert batch.rows[4].tolist() == [
        (0x0A01_0000 << 32, 0, TIME, 2, 16),
        (0x0A00_0000 << 32, 0, TIME, 0, 8),
        (0x0A00_0000 << 32, 0, TIME, 1, 31),
    ]
    assert batch.rows[6].tolist() == [(0x2001_0DB8 << 32, 1 << 48, TIME, 1, 80)]
    assert (batch.had_host_bits, batch.example) == (3, "2001:db8::1:0:0:1/80")


def test_progress() -> None:
    done: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "CHUNK_BYTES", 20)
        read_prefixes(io.BytesIO(5 * b"10.0.0.0/8\n" + b"::"), "", time=0, progress=done.append)
    assert done == [2, 4, 6]


def test_fails_early_without_line_ends() -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            self.taken += len(buffer)
            buffer[:] = b"1" * len(buffer)
            return len(buffer)

    endless = Endless()
    with pytest.raises(DataError, match="some, line 1: more than 65536 bytes: too long for a line"):
        read_prefixes(io.BufferedReader(endless), "some", time=0)
    assert endless.taken < 4 * files.CHUNK_BYTES


def test_garbage() -> None:
    chosen = random.Random(1)
    for size in (1, 10, 1000, 1 << 20):
        with pytest.raises(DataError, match=r"some\.txt, line "):
            read(b"\x7fELF" + chosen.randbytes(size))


def test_the_odd_blanks_are_all_that_split_takes_for_one() -> None:
    blanks = {character for character in map(chr, range(0x110000)) if character.isspace()}
    assert blanks == {*files._OTHER_BLANKS, " ", "\t", "\n"}


@pytest.mark.parametrize("size", [1, 12, 13, 24, 30, 1000])
@pytest.mark.parametrize("bad", [0, 1, 5, 19])
def test_first_bad_line_at_the_edges_of_chunks(size: int, bad: int) -> None:
    lines = [b"10.0.0.0/8 " + "ö".encode()] * 20
    lines[bad] = b"10.0.0.0/9 \xc3"
    lines[bad + 1 :] = [b"bad"] * (19 - bad)
    with pytest.raises(DataError) as caught:
        in_chunks_of(size, b"\n".join(lines))
    assert caught.value.what == f"some.txt, line {bad + 1}"
    assert caught.value.why == "byte 0xc3: not UTF-8"
    assert len(pairs(in_chunks_of(size, b"\r\n".join(lines[:bad])))) == bad


def test_a_longest_line_at_the_edge_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LINE_BYTES", 12)
    data = b"10.0.0.0/8\n192.0.2.0/24\nx"
    assert what_happens(data, partial(in_chunks_of, 11)) == f"some.txt, line 3: 'x': {NO_ADDRESS}"


def test_a_byte_order_mark_is_one_only_at_the_start() -> None:
    data = b"\xef\xbb\xbf::\n\xef\xbb\xbf::\n"
    assert what_happens(data, partial(in_chunks_of, 3)) == f"some.txt, line 2: '\\ufeff::': {NO_ADDRESS}"


tags = st.text(st.characters(exclude_characters="#", exclude_categories=["C", "Z"]), max_size=15)
Network = IPv4Network | IPv6Network
networks = st.one_of(
    st.builds(IPv4Network, st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), st.just(False)),
    st.builds(IPv6Network, st.tuples(st.integers(2**64, 2**128 - 1), st.integers(0, 128)), st.just(False)),
)
blanks = st.text(" \t", max_size=3)
anything = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))
comments = st.one_of(st.just(""), anything.map("#".__add__))
line_ends = st.sampled_from(["\n", "\r\n", "\n\n", "\r\n# 10.0.0.0/8\n"])


@settings(deadline=None)
@given(st.data(), st.lists(st.tuples(networks, tags)), st.integers(1, 99))
def test_written_values_are_read_back(data: st.DataObject, wanted: list[tuple[Network, str]], size: int) -> None:
    text = ""
    for network, tag in wanted:
        gap = data.draw(blanks.filter(bool)) if tag else ""
        comment = data.draw(comments)
        text += f"{data.draw(blanks)}{network}{gap}{tag}{data.draw(blanks)}{comment}{data.draw(line_ends)}"
    batch = in_chunks_of(size, text.encode())
    in_order = sorted(wanted, key=lambda pair: pair[0].version)
    assert pairs(batch) == [(str(parse_prefix(str(network))), tag) for network, tag in in_order]
    assert len(set(batch.tags)) == len(batch.tags)
    assert set(batch.tags) == {"", *(tag for _, tag in wanted)}


PIECES = [
    *(b"10.0.0.0", b"192.0.2.7", b"2001:db8::7", b"::", b"::ffff:1.2.3.4", b"::1.2.3.4", b"1:2:3:4:5:6:7:8"),
    *(b"/", b"/8", b"/24", b"/32", b"/64", b"/128", b"/08", b"/129", b"/+8", "/８".encode(), b"."),  # noqa: RUF001
    *(b" ", b" ", b"  ", b"\t", b"\n", b"\n", b"\r\n", b"\r", b"#", b"a", b"tag", b"x" * 62, "ö".encode()),
    *(b"\0", b"\x0b", b"\x0c", b"\x1c", b"\x1f", b"\x7f", b"\x80", b"\xc3", b"\xff", b"\xef\xbb\xbf"),
    *("\x85".encode(), "\xa0".encode(), "\u2028".encode(), "\u3000".encode(), "\U0001f600".encode()),
]
LINES = [b"10.0.0.0/8 tag\n", b"10.1.2.3/8\r\n", b"2001:db8::/32\ttag # x\n", b"::1 b\n", b"\n", b"# \xc3\xb6\n"]
jumbles = st.lists(st.sampled_from(PIECES + 5 * LINES), max_size=25).map(b"".join)


@settings(max_examples=500, deadline=None)
@given(jumbles, st.integers(1, 60))
def test_fast_and_slow_read_the_same(data: bytes, size: int) -> None:
    expected = what_happens(data, slowly)
    assert what_happens(data) == expected
    assert what_happens(data, partial(in_chunks_of, size)) == expected


@settings(max_examples=500, deadline=None)
@given(st.data(), st.integers(1, 40))
def test_fast_and_slow_read_the_same_of_changed_lines(data: st.DataObject, changes: int) -> None:
    text = bytearray(b"".join(data.draw(st.lists(st.sampled_from(LINES), min_size=1))))
    for _ in range(min(changes, len(text) // 16)):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 1))] = data.draw(st.sampled_from(PIECES))
    assert what_happens(bytes(text)) == what_happens(bytes(text), slowly)


@settings(deadline=None)
@given(jumbles, st.integers(0, 40), st.integers(3, 60))
def test_a_long_line_is_bad_wherever_chunks_end(data: bytes, limit: int, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "LINE_BYTES", limit)
        expected = what_happens(data, slowly)
        assert what_happens(data) == expected
        assert what_happens(data, partial(in_chunks_of, size)) == expected
    content = data.removeprefix(b"\xef\xbb\xbf")
    if isinstance(expected, tuple):
        assert max(map(len, content.split(b"\n"))) <= limit


def order(network: Network) -> tuple[int, int, int]:
    return network.version, int(network.network_address), network.prefixlen


@settings(deadline=None)
@given(st.lists(st.tuples(networks, tags), max_size=50))
def test_lists_come_back(wanted: list[tuple[Network, str]]) -> None:
    batch = read("".join(f"{network} {tag}\n" for network, tag in wanted).encode())
    lists = Lists.empty().added(DROP, batch.rows, batch.tags)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_ROWS_AT_ONCE", 3)
        lines = list(lines_of(lists, DROP))
    last = dict(wanted)
    expected = [f"{network} {last[network]}".rstrip() for network in sorted(last, key=order)]
    assert lines == expected
    again = read("".join(f"{line}\n" for line in lines).encode())
    assert again.had_host_bits == 0
    assert list(lines_of(Lists.empty().added(ALLOW, again.rows, again.tags), ALLOW)) == lines
    assert list(lines_of(lists, ALLOW)) == []


def test_a_million() -> None:
    text = "".join(
        f"{10 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.0/24 list-{number % 17}\n"
        f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::/64 list-{number % 17}\n"
        for number in range(500_000)
    )
    batch = read(text.encode())
    number = np.arange(500_000, dtype=np.uint64)
    upper = {4: number + np.uint64(10 << 16) << np.uint64(40), 6: number | np.uint64(0x2001_0DB8 << 32)}
    for family, rows in batch.rows.items():
        assert (rows["upper"] == upper[family]).all()
        assert not rows["lower"].any()
        assert (rows["tag"] == number % np.uint64(17) + np.uint64(1)).all()
        assert (rows["length"] == {4: 24, 6: 64}[family]).all()
    assert len(batch.tags) == 18
