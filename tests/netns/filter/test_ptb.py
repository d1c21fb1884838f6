"""Packet Too Big: the answer byte by byte, and the rate limit."""

import os
import time
from collections.abc import Callable

import pytest
from scapy.layers.inet import ICMP, IP, IPOption_Router_Alert
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from ecbpf.errors import KernelError
from tests.netns.filter.cases import TAGS, Case, first_fragment, frame_of
from tests.netns.filter.kernel import Filter
from tests.oracle.filter import Settings, answer_faults
from tests.support.needs import needs_frags
from tests.support.objects import Build

NO_LIMIT = 2**32 - 1
FIRST = frame_of(Case("", first_fragment()))
CPUS = sorted(os.sched_getaffinity(0))

every_tags = pytest.mark.parametrize("tags", [pytest.param(tags, id=name) for name, tags in TAGS.items()])


def answer_by_scapy(frame: bytes) -> bytes:
    """The right answer, made by scapy."""
    whole = Ether(frame)
    ip = whole[IP]
    link = frame[6:12] + frame[:6] + frame[12 : len(whole) - len(whole[IP])]
    quote = bytes(ip)[: 4 * ip.ihl + 8]
    message = ICMP(type=3, code=4, nexthopmtu=ip.len) / Raw(quote)
    answer: bytes = link + bytes(IP(tos=0xC0, id=0, flags="DF", ttl=128, src=ip.dst, dst=ip.src) / message)
    return answer


@every_tags
@pytest.mark.parametrize("words", range(11))
def test_answer_byte_by_byte(filter_: Filter, tags: bytes, words: int) -> None:
    filter_.set(Settings(ptb_max_pps=NO_LIMIT, ip_options_drop=False, ip_evil_drop=False))
    for size in (8, 16, 24, 1400 - 4 * words & ~7):
        for fill in (b"\0", b"\xff", b"\x5a"):
            options = [IPOption_Router_Alert()] * words
            for flags, source in (("MF", "192.0.2.1"), ("evil+MF", "223.255.255.255"), ("DF+MF", "1.0.0.0")):
                inside = first_fragment(fill * size, options=options, flags=flags, src=source)
                frame = frame_of(Case("", inside), tags)
                outcome = filter_(frame)
                assert outcome.verdict == "XDP_TX"
                assert outcome.frame == answer_by_scapy(frame)
                assert not answer_faults(frame, outcome.frame)


def test_checksum_where_the_sum_folds(filter_: Filter) -> None:
    """Every value of a quoted word and of a header word, among high values: every possible carry."""
    filter_.set(Settings(ptb_max_pps=NO_LIMIT))
    header = bytearray(first_fragment(b"\xff" * 8, id=0xFFFF, src="191.255.255.255", dst="191.255.255.255")[:20])
    check, old = bytes(header[10:12]), bytes(header[12:16])
    for number in range(1 << 16):
        word = number.to_bytes(2, "big")
        header[12:16] = source = old[:2] + word
        header[10:12] = _patched(check, old, source)
        frame = frame_of(Case("", bytes(header) + word + b"\xff" * 6))
        assert filter_.run(frame) == 3, frame.hex()
        assert not answer_faults(frame, filter_.frame_after()), frame.hex()


def _patched(check: bytes | bytearray, old: bytes, new: bytes) -> bytes:
    """RFC 1624: scapy would take half a minute."""
    total = 0xFFFF ^ int.from_bytes(check, "big")
    for at in (0, 2):
        total += 0xFFFF ^ int.from_bytes(old[at : at + 2], "big")
        total += int.from_bytes(new[at : at + 2], "big")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (total ^ 0xFFFF).to_bytes(2, "big")


def _windows(filter_: Filter, second: int, sent: int) -> None:
    """Set on every CPU how many answers it sent in that second, and read the clock."""
    windows = filter_.object.maps["filter_ptb"]
    each = windows[0]
    for window in each:
        window.jiffies, window.second, window.sent = 0, second, sent
    windows[0] = each


def _now() -> int:
    """The kernel's second: bpf_ktime_get_ns() is CLOCK_MONOTONIC."""
    return time.monotonic_ns() // 10**9


def _in_one_second(send: Callable[[int], int]) -> int:
    """send(second), again if it was another one when it was done."""
    for _ in range(20):
        second = _now()
        result = send(second)
        if _now() == second:
            return result
    raise AssertionError("each attempt took until the next second")


def _count(filter_: Filter, packets: int) -> int:
    """How many of that many fragments are answered; the others must count as above the limit."""
    answered = 0
    for _ in range(packets):
        outcome = filter_(FIRST)
        if outcome.verdict == "XDP_TX":
            assert outcome[1:3] == ("REASON_TOO_BIG", {"ptb_sent_count": 1})
            answered += 1
        else:
            limited = {"ptb_limit_count": 1, "ip_frag_drop_count": 1}
            assert outcome == ("XDP_DROP", "REASON_FRAGMENT", limited, FIRST)
    return answered


@pytest.mark.parametrize("limit", [1, 2, 20, 255, 256, 300])
def test_the_limit_per_second(filter_: Filter, one_cpu: int, limit: int) -> None:
    filter_.set(Settings(ptb_max_pps=limit))

    def burst(second: int) -> int:
        _windows(filter_, 0, 0)
        return _count(filter_, limit + 50)

    assert _in_one_second(burst) == limit


def test_the_limit_is_per_second_of_the_clock(filter_: Filter, one_cpu: int) -> None:
    filter_.set(Settings(ptb_max_pps=7))

    def same(second: int) -> int:
        _windows(filter_, second, 4)
        return _count(filter_, 20)

    def spent(second: int) -> int:
        _windows(filter_, second, 7)
        return _count(filter_, 20)

    def another(second: int) -> int:
        _windows(filter_, second - 1, 7)
        return _count(filter_, 20)

    assert _in_one_second(same) == 3
    assert _in_one_second(spent) == 0
    assert _in_one_second(another) == 7


def test_a_new_second_starts_at_zero(filter_: Filter, one_cpu: int) -> None:
    """With nobody touching the windows."""
    filter_.set(Settings(ptb_max_pps=3))
    _windows(filter_, 0, 0)
    give_up = time.monotonic() + 10
    assert 3 <= _count(filter_, 100) < 100
    while not _count(filter_, 1):
        assert time.monotonic() < give_up


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU")
def test_each_cpu_has_its_own_limit(filter_: Filter, one_cpu: int) -> None:
    filter_.set(Settings(ptb_max_pps=10))

    def each(second: int) -> int:
        _windows(filter_, 0, 0)
        answered = []
        for cpu in (CPUS[0], CPUS[1], CPUS[0], CPUS[1]):
            os.sched_setaffinity(0, {cpu})
            answered.append(_count(filter_, 30))
        return int("".join(f"{count:02}" for count in answered))

    assert _in_one_second(each) == 10_10_00_00


def test_only_answers_are_counted(filter_: Filter, one_cpu: int) -> None:
    """A fragment that is never answered does not count towards the limit."""
    filter_.set(Settings(ptb_max_pps=5))
    others = (
        first_fragment(b"z" * 12),
        first_fragment(chksum=1),
        first_fragment(dst="224.0.0.1"),
        first_fragment(frag=1),
        first_fragment(b"\3" * 8, 1),
    )

    def mixed(second: int) -> int:
        _windows(filter_, 0, 0)
        for _ in range(10):
            for each in others:
                assert filter_(frame_of(Case("", each))).verdict == "XDP_DROP"
        return _count(filter_, 10)

    assert _in_one_second(mixed) == 5


def test_limit_changes_at_once(filter_: Filter, one_cpu: int) -> None:
    def changed(second: int) -> int:
        _windows(filter_, 0, 0)
        filter_.set(Settings(ptb_max_pps=2))
        first = _count(filter_, 10)
        filter_.set(Settings(ptb_max_pps=6))
        second_ = _count(filter_, 10)
        filter_.set(Settings(ptb_max_pps=3))
        return first * 100 + second_ * 10 + _count(filter_, 10)

    assert _in_one_second(changed) == 240


def test_no_headroom_for_an_answer(filter_: Filter) -> None:
    """Metadata in front of the frame takes the headroom."""
    filter_.set(Settings(ptb_max_pps=NO_LIMIT))
    taken = 208
    # struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
    words = (taken, taken + len(FIRST), 0, 0, 0, 0)
    context = b"".join(word.to_bytes(4, "little") for word in words)
    before = _counters(filter_)
    try:
        run = filter_.program.test_run(bytes(taken) + FIRST, context=context)
    except KernelError:
        pytest.skip("no metadata of that size before Linux 6.8")
    assert run.retval == 1
    assert before != _counters(filter_)
    assert {name for name, count in _counters(filter_).items() if count} == {
        "ptb_mem_err_count",
        "ip_frag_drop_count",
    }


def _counters(filter_: Filter) -> dict[str, int]:
    """Of the last packet."""
    return dict(zip(filter_.counter_names, filter_.seen.count, strict=True))


@needs_frags
def test_multi_buffer_packets(build: Build) -> None:
    """An answer is short, however long the packet."""
    with Filter(build("filter/seen"), frags=True) as filter_:
        filter_.set(Settings(ptb_max_pps=NO_LIMIT))
        for size in (3000, 3496, 3520, 4096, 8000, 8968, 32_000):
            for tags in TAGS.values():
                frame = frame_of(Case("", first_fragment(bytes(size & ~7))), tags)
                outcome = filter_(frame)
                assert outcome.verdict == "XDP_TX"
                assert not answer_faults(frame, outcome.frame), (size, tags)
