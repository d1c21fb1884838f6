"""Prefixes against Python's ipaddress; tags; lists of them, written, read, changed."""

import io
import ipaddress
from ipaddress import IPv4Address, IPv6Address

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecbpf.errors import DataError
from ecbpf.filter import lists as lists_module
from ecbpf.filter.lists import ALLOW, DROP, Lists, check_tag
from ecbpf.filter.prefix import (
    BITS,
    LENGTHS,
    ROW,
    Address,
    Prefix,
    Rows,
    masked,
    parse_address,
    parse_prefix,
    text_of,
)
from ecbpf.filter.rows import rows_of

ALL = (1 << 64) - 1

families = st.sampled_from([4, 6])
# Zeros in runs, ends of words, and all the rest.
words = st.one_of(st.sampled_from([0, 1, 0xFFFF, 0x8000]), st.integers(0, 0xFFFF))


@st.composite
def addresses(draw: st.DrawFn) -> IPv4Address | IPv6Address:
    family = draw(families)
    number = 0
    for _ in range(BITS[family] // 16):
        number = number << 16 | draw(words)
    return IPv4Address(number) if family == 4 else IPv6Address(number)


@st.composite
def prefixes(draw: st.DrawFn) -> tuple[IPv4Address | IPv6Address, int]:
    address = draw(addresses())
    return address, draw(st.integers(0, address.max_prefixlen))


def is_mapped(address: IPv4Address | IPv6Address) -> bool:
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def numbers(address: IPv4Address | IPv6Address) -> tuple[int, int]:
    """Upper, lower."""
    number = int(address) << (128 - address.max_prefixlen)
    return number >> 64, number & ALL


@given(addresses(), st.sampled_from([str, lambda address: address.exploded, lambda address: str(address).upper()]))
def test_addresses(address: IPv4Address | IPv6Address, write: type[str]) -> None:
    text = write(address)
    if is_mapped(address):
        with pytest.raises(DataError, match="an IPv4-mapped IPv6 address"):
            parse_address(text)
        return
    parsed = parse_address(text)
    assert parsed == Address(address.version, *numbers(address))
    assert ipaddress.ip_address(text_of(*parsed)) == address


@given(prefixes())
def test_prefixes(given_prefix: tuple[IPv4Address | IPv6Address, int]) -> None:
    address, length = given_prefix
    if is_mapped(address):
        with pytest.raises(DataError):
            parse_prefix(f"{address}/{length}")
        return
    network = ipaddress.ip_network((address, length), strict=False)
    parsed = parse_prefix(f"{address}/{length}")
    had_host_bits = network.network_address != address
    assert parsed == Prefix(address.version, *numbers(network.network_address), length, had_host_bits)
    assert ipaddress.ip_network(str(parsed)) == network
    assert parse_prefix(str(parsed)) == parsed._replace(had_host_bits=False)


@given(families, st.text("0123456789/:. _-+x٣", max_size=8))
def test_lengths(family: int, text: str) -> None:
    """The lengths that ipaddress takes, if they have at most three digits and are not a netmask."""
    address = {4: "0.0.0.0", 6: "::"}[family]
    try:
        expected = ipaddress.ip_network(f"{address}/{text}").prefixlen if len(text) <= 3 else None
    except ValueError:
        expected = None
    assert LENGTHS[family].get(f"/{text}") == expected
    if expected is None:
        with pytest.raises(DataError):
            parse_prefix(f"{address}/{text}")
    else:
        assert parse_prefix(f"{address}/{text}").length == expected


@given(st.text("0123456789abcfF:.%g \n\0é１", max_size=20))  # noqa: RUF001
def test_invalid_addresses(text: str) -> None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        with pytest.raises(DataError):
            parse_address(text)
    else:
        if "%" in text or is_mapped(address):
            with pytest.raises(DataError):
                parse_address(text)
        else:
            assert parse_address(text) == Address(address.version, *numbers(address))


NO_ADDRESS = "not an IP address; for instance 192.0.2.7 or 2001:db8::7"
BAD = [
    ("", f"'': {NO_ADDRESS}"),
    ("/24", f"'': {NO_ADDRESS}"),
    ("10.0.0.0.0", f"'10.0.0.0.0': {NO_ADDRESS}"),
    ("010.0.0.0", f"'010.0.0.0': {NO_ADDRESS}"),
    (" 10.0.0.0", f"' 10.0.0.0': {NO_ADDRESS}"),
    ("10.0.0.0\n", f"'10.0.0.0\\n': {NO_ADDRESS}"),
    ("10.0.0.0\0", f"'10.0.0.0\\x00': {NO_ADDRESS}"),
    ("\udcff::", f"'\\udcff::': {NO_ADDRESS}"),
    ("1::2::3", f"'1::2::3': {NO_ADDRESS}"),
    ("fe80::1%eth0", f"'fe80::1%eth0': {NO_ADDRESS}"),
    ("localhost", f"'localhost': {NO_ADDRESS}"),
    (
        "::ffff:10.0.0.1/128",
        "::ffff:10.0.0.1: an IPv4-mapped IPv6 address, which no packet carries; give 10.0.0.1",
    ),
    ("10.0.0.0/", "'10.0.0.0/': '' is not a valid prefix length; give 0 to 32"),
    ("10.0.0.0/33", "'10.0.0.0/33': '33' is not a valid prefix length; give 0 to 32"),
    ("10.0.0.0/ 8", "'10.0.0.0/ 8': ' 8' is not a valid prefix length; give 0 to 32"),
    ("10.0.0.0/1_0", "'10.0.0.0/1_0': '1_0' is not a valid prefix length; give 0 to 32"),
    ("10.0.0.0/８", "'10.0.0.0/８': '８' is not a valid prefix length; give 0 to 32"),  # noqa: RUF001
    ("::/129", "'::/129': '129' is not a valid prefix length; give 0 to 128"),
    ("::/" + 5000 * "1", f"'::/{5000 * '1'}': '{5000 * '1'}' is not a valid prefix length; give 0 to 128"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_bad_prefixes(text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_prefix(text)
    assert str(caught.value) == message


@given(st.lists(prefixes()))
def test_masked(given_prefixes: list[tuple[IPv4Address | IPv6Address, int]]) -> None:
    rows = np.zeros(len(given_prefixes), ROW)
    expected = []
    changed = 0
    for at, (address, length) in enumerate(given_prefixes):
        rows[at] = (*numbers(address), 3, 2, length)
        network = ipaddress.ip_network((address, length), strict=False)
        expected.append((*numbers(network.network_address), 3, 2, length))
        changed += network.network_address != address
    assert masked(rows) == changed
    assert rows.tolist() == expected
    assert masked(rows) == 0


@pytest.mark.parametrize(
    "tag", ["", "a", "spamhaus-17", "two words", "Köln", 63 * "x", 31 * "ö" + "x", "/:;'\"\\"]
)
def test_good_tags(tag: str) -> None:
    assert check_tag(tag) == tag


PLAIN = "no #, control characters or blanks around it; give plain text"


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        (64 * "x", f"tag '{64 * 'x'}': too long: 64 bytes; 63 at most"),
        (32 * "ö", f"tag '{32 * 'ö'}': too long: 64 bytes; 63 at most"),
        *(
            (tag, f"tag {tag!r}: {PLAIN}")
            for tag in ["#", "a#b", " a", "a ", " ", "a\n", "\t", "a\0", "\x7f", "a\xa0b"]
        ),
        *((tag, f"tag {tag!r}: {PLAIN}") for tag in ["\u2028", "\ufeff", "\udcff", 80 * "\udcff", "\ud800"]),
    ],
)
def test_bad_tags(tag: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        check_tag(tag)
    assert str(caught.value) == message


Model = dict[tuple[int, int, int, int], tuple[int, str]]  # family, upper, lower, length: time, tag
model_prefixes = st.builds(
    lambda family, top, length: parse_prefix(text_of(family, top << 60, 0, length)),
    families,
    st.integers(0, 15),
    st.integers(0, 32),
)
batches = st.lists(st.tuples(model_prefixes, st.sampled_from(["", "a", "b", "ö", 63 * "x"])), max_size=20)


def add(lists: Lists, kind: str, time: int, batch: list[tuple[Prefix, str]]) -> Lists:
    tags = ["", *{tag: None for _, tag in batch if tag}]
    rows: dict[int, Rows] = {}
    for family in BITS:
        some = [rows_of([p], time=time, tag=tags.index(tag)) for p, tag in batch if p.family == family]
        rows[family] = np.concatenate([np.empty(0, ROW), *some])
    return lists.added(kind, rows, tags)


def contents(lists: Lists, kind: str) -> Model:
    found: Model = {}
    for family in BITS:
        rows = lists.rows[kind, family].tolist()
        keys = [(family, upper, lower, length) for upper, lower, _time, _tag, length in rows]
        assert keys == sorted(set(keys))
        found |= {key: (time, lists.tag(tag)) for key, (_, _, time, tag, _) in zip(keys, rows, strict=True)}
    return found


def written(lists: Lists) -> bytes:
    file = io.BytesIO()
    lists.write(file)
    assert len(file.getvalue()) <= lists.room
    return file.getvalue()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([DROP, ALLOW]), batches), max_size=5))
def test_added(changes: list[tuple[str, list[tuple[Prefix, str]]]]) -> None:
    lists = Lists.empty()
    model: dict[str, Model] = {DROP: {}, ALLOW: {}}
    for time, (kind, batch) in enumerate(changes):
        lists = add(lists, kind, time, batch)
        for prefix, tag in batch:
            model[kind][prefix[:4]] = (time, tag)
        for each, expected in model.items():
            assert contents(lists, each) == expected
            assert lists.count(each) == len(expected)
        used = {tag for expected in model.values() for _, tag in expected.values()}
        assert sorted(lists.tags.tolist()) == sorted(tag.encode() for tag in used | {""})
        assert lists.tag(0) == ""
        lists = Lists.read(io.BytesIO(written(lists) + bytes(time * 1000)))
        assert all(rows.dtype == ROW and rows.dtype.isalignedstruct for rows in lists.rows.values())


def test_written_and_read() -> None:
    lists = add(Lists.empty(), DROP, 7, [(parse_prefix("10.0.0.0/8"), "a"), (parse_prefix("2001:db8::/32"), "ö")])
    again = Lists.read(io.BytesIO(written(lists)))
    assert again.tags.tolist() == lists.tags.tolist()
    assert {key: rows.tolist() for key, rows in again.rows.items()} == {
        k: r.tolist() for k, r in lists.rows.items()
    }


def test_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists_module, "CAPACITY", {DROP: 3, ALLOW: 1})
    some = [(parse_prefix(f"10.{number}.0.0/16"), "") for number in range(4)]
    full = add(Lists.empty(), DROP, 1, some[:3])
    assert add(full, DROP, 2, some[:3]).count(DROP) == 3
    assert add(full, DROP, 2, [(parse_prefix("::/0"), "")]).count(DROP) == 4
    before = written(full)
    for kind, start, message in (
        (
            DROP,
            full,
            "4 IPv4 prefixes: too many for the drop set; it holds 3 of each family: list larger networks",
        ),
        (
            ALLOW,
            full,
            "4 IPv4 prefixes: too many for the allow set; it holds 1 of each family: list larger networks",
        ),
    ):
        with pytest.raises(DataError) as caught:
            add(start, kind, 2, some)
        assert str(caught.value) == message
    assert written(full) == before
