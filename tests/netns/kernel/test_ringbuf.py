"""The ring buffer: every size, wrap-around, discarded records, overflow, waiting, a record that is not ready."""

import mmap
import os
import random
import select
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from ecbpf.errors import DataError
from ecbpf.kernel import Map, Object, RingBuffer
from tests.support.objects import Build

SIZE = 4096


@pytest.fixture
def loaded(build: Build) -> Iterator[Object]:
    with Object.open(build("kernel/ringbuf")) as opened:
        opened.load()
        yield opened


@pytest.fixture
def ring(loaded: Object) -> Iterator[RingBuffer]:
    with RingBuffer(loaded.maps["ring"]) as made:
        yield made


def send(loaded: Object, record: bytes) -> None:
    assert loaded.programs["xdp_ring_prog"].test_run(record).retval == 2


def test_every_size_around_the_ring(loaded: Object, ring: RingBuffer) -> None:
    rng = random.Random(1)
    sent = 0
    for _ in range(300):
        records = [bytes([rng.randrange(200)]) + rng.randbytes(rng.randint(13, 1023)) for _ in range(3)]
        for record in records:
            send(loaded, record)
        assert ring.drain() == records
        sent += sum(map(len, records))
    assert sent > 20 * SIZE
    assert ring.drain() == []


def test_discarded_records_are_skipped(loaded: Object, ring: RingBuffer) -> None:
    for record in (b"\xdd" * 14, b"a" * 14, b"\xdd" * 20, b"\xdd" * 20, b"b" * 15, b"\xdd" * 14):
        send(loaded, record)
    assert ring.drain() == [b"a" * 14, b"b" * 15]
    assert ring.drain() == []
    assert not ring.wait(0)


def test_a_limit_leaves_the_rest(loaded: Object, ring: RingBuffer) -> None:
    records = [bytes([n]) * 20 for n in range(5)]
    for record in records:
        send(loaded, record)
    assert ring.drain(limit=2) == records[:2]
    assert ring.drain(limit=0) == []
    assert ring.drain() == records[2:]


def test_overflow_loses_only_the_records_that_found_no_room(loaded: Object, ring: RingBuffer) -> None:
    records = [bytes([n]) * 100 for n in range(60)]
    for record in records:
        send(loaded, record)
    kept = ring.drain()
    assert kept == records[: len(kept)]
    assert len(kept) == (SIZE - 1) // 112  # 8 bytes of header, rounded up to 8
    assert loaded.globals.refused == len(records) - len(kept)
    for record in records[:10]:
        send(loaded, record)
    assert ring.drain() == records[:10]


def test_waiting(loaded: Object, ring: RingBuffer) -> None:
    start = time.monotonic()
    assert not ring.wait(0.1)
    assert 0.09 < time.monotonic() - start < 2
    timer = threading.Timer(0.1, send, (loaded, b"x" * 14))
    timer.start()
    start = time.monotonic()
    assert ring.wait(5)
    assert time.monotonic() - start < 2
    timer.join()
    assert ring.wait(0)
    assert ring.drain() == [b"x" * 14]
    assert not ring.wait(0)


def test_a_second_consumer_continues_where_the_first_stopped(loaded: Object) -> None:
    for n in range(4):
        send(loaded, bytes([n]) * 14)
    with RingBuffer(loaded.maps["ring"]) as first:
        assert first.drain(limit=1) == [bytes(14)]
    first.close()
    with RingBuffer(loaded.maps["ring"]) as second:
        assert [record[0] for record in second.drain()] == [1, 2, 3]


def test_a_map_that_is_not_a_ring_buffer_is_refused(loaded: Object) -> None:
    with pytest.raises(DataError, match="is not a ring buffer"):
        RingBuffer(loaded.maps[next(name for name in loaded.maps if name.endswith(".bss"))])


class NoPoll:
    """Instead of epoll, which does not accept the plain file that stands for the map."""

    closed = False

    def register(self, fd: int, events: int) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Memory:
    """A ring buffer's memory as a file: no program leaves a record busy long enough for a test."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("ring")
        os.ftruncate(self.fd, 2 * mmap.PAGESIZE + 2 * SIZE)
        self.info = type("Info", (), {"type": 27, "max_entries": SIZE})

    def put(self, at: int, *words: int) -> None:
        os.pwrite(self.fd, struct.pack(f"<{len(words)}I", *words), 2 * mmap.PAGESIZE + at)

    def produce(self, position: int) -> None:
        os.pwrite(self.fd, struct.pack("<Q", position), mmap.PAGESIZE)


def test_draining_stops_at_a_busy_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select, "epoll", NoPoll)
    memory = Memory()
    try:
        with RingBuffer(cast("Map", memory)) as ring:
            memory.put(0, 4, 0, 0xAAAA, 0, 4 | 1 << 31, 0, 0xBBBB, 0, 4, 0, 0xCCCC, 0)
            memory.produce(48)
            assert ring.drain() == [_word(0xAAAA)]
            assert ring.drain() == []
            memory.put(16, 4)
            assert ring.drain() == [_word(0xBBBB), _word(0xCCCC)]
            # A header in the last 8 bytes, its record in the ring's second image.
            memory.put(SIZE - 8, 8, 0, 1, 2)
            memory.produce(SIZE + 8)
            _skip_to(ring, SIZE - 8)
            assert ring.drain() == [_word(1) + _word(2)]
    finally:
        os.close(memory.fd)


def _word(number: int) -> bytes:
    return struct.pack("<I", number)


def _skip_to(ring: Any, position: int) -> None:
    ring._consumer.value = position
