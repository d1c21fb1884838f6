"""The parser against the RFCs: tables, every truncation, random frames."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from socket import ntohs
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecbpf.kernel import Object
from tests.netns.chain.parser_cases import Case, cases
from tests.oracle.frames import random_frame
from tests.oracle.packet import Packet, parse
from tests.support.needs import needs_frags
from tests.support.objects import Build

LAST_REASON = 13  # of the parser: REASON_TCP_HEADER
BULK = 100_000


class Parser:
    """The parser in the kernel: takes a frame and returns what the oracle returns."""

    def __init__(self, loaded: Object) -> None:
        self.loaded = loaded
        self.names = {number: name for name, number in loaded.btf.enum("reason").items()}
        self.reasons = {name for number, name in self.names.items() if number <= LAST_REASON}
        self.parsed = loaded.globals.parsed

    def run(self, program: str, frame: bytes) -> tuple[str, Packet]:
        self.loaded.programs[program].test_run(frame)
        packet = _from_c(self.parsed)
        if program == "xdp_parse_prog":
            packet.fragment = self.loaded.globals.fragment
            packet.options = self.loaded.globals.options
        return self.names[self.loaded.globals.reason], packet

    def __call__(self, frame: bytes) -> tuple[str, Packet]:
        return self.run("xdp_parse_prog", frame)

    @property
    def readable(self) -> int:
        """The number of bytes of the last frame that were in its first buffer."""
        return int(self.loaded.globals.readable)


def _from_c(parsed: Any) -> Packet:
    """`struct packet` as the oracle's Packet; fields that should be 0 are asserted to be."""
    assert parsed.vlan_count <= len(parsed.vlan)
    assert not any(tag.tpid or tag.tci for tag in parsed.vlan[parsed.vlan_count :])
    size = {0: 0, 4: 4, 6: 16}[parsed.version]
    source, destination = bytes(parsed.saddr), bytes(parsed.daddr)
    assert not any(source[size:] + destination[size:])
    numbers = {name: getattr(parsed, name) for name in _SAME}
    return Packet(
        vlan=tuple((ntohs(tag.tpid), ntohs(tag.tci)) for tag in parsed.vlan[: parsed.vlan_count]),
        ethertype=ntohs(parsed.ethertype),
        saddr=source[:size],
        daddr=destination[:size],
        sport=ntohs(parsed.sport),
        dport=ntohs(parsed.dport),
        **numbers,
    )


_SAME = (
    *("frame_len", "l3_offset", "version", "tos", "ttl", "proto", "ip_len", "frag_offset", "more_fragments"),
    *("evil", "l4_offset", "payload_offset", "tcp_flags", "icmp_type", "icmp_code"),
)


@pytest.fixture(scope="module")
def parser(build: Build) -> Iterator[Parser]:
    with Object.open(build("chain/parse")) as loaded:
        loaded.load()
        yield Parser(loaded)


@pytest.fixture(scope="module")
def frags_parser(build: Build) -> Iterator[Parser]:
    with Object.open(build("chain/parse")) as loaded:
        loaded.globals.chain_frags = 1
        loaded.load(frags=True)
        yield Parser(loaded)


every_case = pytest.mark.parametrize("case", [pytest.param(case, id=case.description) for case in cases()])


@every_case
def test_table(parser: Parser, case: Case) -> None:
    frame = bytes(case.frame)
    reason, packet = parser(frame)
    assert reason == case.reason
    assert {name: getattr(packet, name) for name in case.fields} == case.fields
    assert (reason, packet) == parse(frame)


def test_every_reason_and_field_has_a_case(parser: Parser) -> None:
    """Every reason of the parser has a case; every field of the struct is compared."""
    assert {case.reason for case in cases()} == parser.reasons
    assert set(parser.parsed._names_) - {"vlan_count"} <= {field.name for field in fields(Packet)}


@every_case
def test_every_truncation(parser: Parser, case: Case) -> None:
    """From 14 bytes on: the kernel accepts no shorter frame for a test run."""
    frame = bytes(case.frame)
    for length in range(14, len(frame)):
        assert parser(frame[:length]) == parse(frame[:length]), length


@every_case
def test_peek(parser: Parser, case: Case) -> None:
    """The first half of the parser gives the same reason, unless it concerns what that half does not read."""
    frame = bytes(case.frame)
    for length in range(14, len(frame) + 1):
        reason, packet = parse(frame[:length])
        if packet.version or reason.endswith("_HEADER"):
            reason = "REASON_NONE"
        link = Packet(0, packet.vlan, packet.ethertype, packet.l3_offset)
        assert parser.run("xdp_peek_prog", frame[:length]) == (reason, link)


@given(st.randoms(use_true_random=False))
@settings(max_examples=1000, deadline=None)
def test_random_frames(parser: Parser, rng: random.Random) -> None:
    frame = random_frame(rng)
    assert parser(frame) == parse(frame), frame.hex()


def test_many_random_frames(parser: Parser) -> None:
    rng = random.Random(1)
    seen: Counter[str] = Counter()
    for _ in range(BULK):
        frame = random_frame(rng)
        expected = parse(frame)
        assert parser(frame) == expected, frame.hex()
        seen[expected[0]] += 1
    assert min(seen[name] for name in parser.reasons) > 100, seen


@needs_frags
def test_multi_buffer_packets(frags_parser: Parser) -> None:
    """Only the first buffer can be read; lengths are of the whole frame."""
    rng = random.Random(2)
    cut_off = 0
    for _ in range(2000):
        frame = random_frame(rng, max_units=255) + bytes(rng.randrange(9000))
        result = frags_parser(frame)
        assert result == parse(frame, frags_parser.readable), frame.hex()
        cut_off += result != parse(frame)
    assert cut_off > 20
