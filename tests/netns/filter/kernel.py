"""The filter in the kernel, without an interface: frames in; verdict, reason, counts and frame out."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import asdict
from typing import NamedTuple, Self

from ecbpf.chain.occupant import kernel_name
from ecbpf.filter.lists import ALLOW, DROP, Lists
from ecbpf.filter.prefix import BITS, Prefix, Rows
from ecbpf.filter.rows import rows_of
from ecbpf.filter.sets import Sets
from ecbpf.filter.subprogram import Filter as Subprogram
from ecbpf.kernel import Object
from ecbpf.kernel.libbpf import TestRunOptions, lib, options
from ecbpf.paths import object_path
from tests.oracle.filter import Decision, Settings, answer_faults
from tests.oracle.prefixes import Pairs

__all__ = ["Bare", "Filter", "Outcome", "lists_of", "rows_from"]

VERDICTS = {0: "XDP_ABORTED", 1: "XDP_DROP", 2: "XDP_PASS", 3: "XDP_TX"}
MAPPED = bytes(10) + b"\xff\xff"  # before an IPv4 address in filter_local
_ROOM = 64 * 1024


class Outcome(NamedTuple):
    """What the filter did with one packet. counters: how far each moved, if it did. frame: as it is afterwards."""

    verdict: str
    reason: str
    counters: dict[str, int]
    frame: bytes


def rows_from(family: int, pairs: Pairs) -> Rows:
    """Rows of (network, length) pairs of numbers, as a person could have listed them."""
    shift = 128 - BITS[family]
    return rows_of(
        [
            Prefix(family, number << shift >> 64, (number << shift) & (1 << 64) - 1, length, False)
            for number, length in pairs
        ]
    )


def lists_of(drop: dict[int, Pairs], allow: dict[int, Pairs]) -> Lists:
    """The lists with these prefixes by family."""
    made = Lists.empty()
    for kind, pairs in ((DROP, drop), (ALLOW, allow)):
        made = made.added(kind, {family: rows_from(family, each) for family, each in pairs.items()}, [""])
    return made


class Bare:
    """A filter that is loaded and attached nowhere."""

    def __init__(self, *, frags: bool = False) -> None:
        self.object = Object.open(object_path("filter"))
        if frags:
            self.object.globals.chain_frags = 1
        self.object.load(frags=frags)
        self.program = self.object.programs["xdp_filter_prog"]
        self.sets = Sets({kernel_name(name): each for name, each in self.object.maps.items()})
        self.lists = self.sets.read()
        counters = self.object.btf.enum("filter_counter")
        del counters["FILTER_COUNTERS"]
        self.counter_names = [
            name.removeprefix("FILTER_").lower() for name in sorted(counters, key=counters.__getitem__)
        ]
        self.reasons = {number: name for name, number in self.object.btf.enum("reason").items()}

    def repeat(self, frame: bytes, times: int) -> int:
        """Run an unchanged packet several times; returns the last verdict. Callable from any thread."""
        buffer = ctypes.create_string_buffer(frame, len(frame))
        run = options(TestRunOptions, data_in=ctypes.addressof(buffer), data_size_in=len(frame), repeat=times)
        lib.bpf_prog_test_run_opts(self.program.fd, ctypes.byref(run))
        verdict: int = run.retval
        return verdict

    def close(self) -> None:
        """Free the program."""
        self.object.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def set(self, settings: Settings) -> None:
        """Change all settings."""
        Subprogram.table.write(self.object.globals, asdict(settings))

    def set_lists(self, drop: dict[int, Pairs], allow: dict[int, Pairs]) -> None:
        """Replace the sets by these, as the commands do."""
        new = lists_of(drop, allow)
        self.sets.change(new, self.lists)
        self.lists = new

    def set_local(self, addresses: Iterable[bytes]) -> None:
        """Set which addresses are this host's own. addresses: packed."""
        local = self.object.maps["filter_local"]
        for key in list(local.keys()):
            local.delete(bytes(key))
        for address in addresses:
            local[address if len(address) == 16 else MAPPED + address] = 1


class Filter(Bare):
    """A filter that shows what it did with each packet.

    Every packet is sampled: a program in the sampler's place shows reason and counts in memory, so that a packet
    costs one system call.
    """

    def __init__(self, seen_object: str, *, frags: bool = False) -> None:
        """seen_object: tests/support/bpf/filter/seen.bpf.c, compiled."""
        super().__init__(frags=frags)
        self._seen_object = seen = Object.open(seen_object)
        for name in ("xdp_stats", "xdp_sample", "xdp_sample_hook", "filter_stats"):
            seen.share_map(name, self.object.maps[name])
        seen.load(frags=frags)
        self._sample_all()
        self.seen = seen.globals.seen
        self._seen_at, self._seen_size = ctypes.addressof(self.seen), ctypes.sizeof(self.seen)
        self._expected: dict[Decision, bytes] = {}
        self._frame = ctypes.create_string_buffer(_ROOM)
        self._after = ctypes.create_string_buffer(_ROOM)
        self._frame_bytes, self._after_bytes = (memoryview(each).cast("B") for each in (self._frame, self._after))
        self._run = options(
            TestRunOptions, data_in=ctypes.addressof(self._frame), data_out=ctypes.addressof(self._after)
        )
        self._run_pointer = ctypes.byref(self._run)

    def _sample_all(self) -> None:
        self.object.maps["xdp_sample_hook"][0] = self._seen_object.programs["xdp_seen_prog"]
        stats = self.object.maps["xdp_stats"]
        root = max(stats.keys())
        rows = stats[root]
        for each in rows:
            each.countdown = 1
        stats[root] = rows

    def close(self) -> None:
        """Free both programs."""
        self._seen_object.close()
        super().close()

    def run(self, frame: bytes) -> int:
        """One packet; returns the number of the verdict."""
        run = self._run
        size = len(frame)
        self._frame_bytes[:size] = frame
        run.data_size_in, run.data_size_out = size, _ROOM
        ctypes.memset(self._seen_at, 0, self._seen_size)
        lib.bpf_prog_test_run_opts(self.program.fd, self._run_pointer)
        verdict: int = run.retval
        return verdict

    def frame_after(self) -> bytes:
        """The last packet as the program left it."""
        return bytes(self._after_bytes[: self._run.data_size_out])

    def __call__(self, frame: bytes) -> Outcome:
        verdict = VERDICTS[self.run(frame)]
        seen = self.seen
        assert seen.packets == 1
        counters = {name: each for name, each in zip(self.counter_names, seen.count, strict=True) if each}
        assert VERDICTS[seen.verdict] == verdict
        return Outcome(verdict, self.reasons[seen.reason], counters, self.frame_after())

    def agrees(self, frame: bytes, decision: Decision) -> bool:
        """Whether the kernel decides the same. Like __call__(), but in 6 microseconds."""
        expected = self._expected.get(decision)
        if expected is None:
            expected = self._expected[decision] = self._seen_after(decision)
        verdict = self.run(frame)
        if bytes(self.seen) != expected or VERDICTS[verdict] != decision.verdict:
            return False
        if verdict == 3:
            return not answer_faults(frame, self.frame_after())
        return verdict != 2 or self.frame_after() == frame

    def _seen_after(self, decision: Decision) -> bytes:
        after = type(self.seen)()
        after.packets = 1
        after.verdict = next(number for number, name in VERDICTS.items() if name == decision.verdict)
        after.reason = next(number for number, name in self.reasons.items() if name == decision.reason)
        for counter in decision.counters:
            after.count[self.counter_names.index(counter)] = 1
        return bytes(after)

    def readable(self, frame: bytes) -> int:
        """How many bytes of a frame a test run puts in the first buffer."""
        self._seen_object.programs["xdp_readable_prog"].test_run(frame)
        return int(self.seen.readable)
