"""What it costs to drop real packets on a veth pair: by the filter, by a bare XDP_DROP, by nftables.

Test runs with live frames make the packets (BPF_F_TEST_XDP_LIVE_FRAMES), 64 at a time, and send them out of eth1
(XDP_TX). They arrive at eth0, where the same CPU takes them right behind each batch. All come from listed sources
and are dropped: one source, as in a flood that is not spoofed, or 65,536 sources in turn, whose entries are in no
near cache. Timed is all the work of this CPU for a packet, also making it. Each measurement ends with the proof
that eth0 saw every packet, and that every packet was dropped for its source.
"""

import functools
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

from bench.harness import Row
from bench.network import Network
from bench.packets import PACKETS
from bench.prefixes import common, hits, prefixes
from bench.rows.filter import PACKET, fill
from bench.testrun import cold_sources, compiled, load_program, load_slots
from ecbpf.filter.cover import disjoint
from ecbpf.filter.prefix import Rows, text_of
from ecbpf.filter.subprogram import SLOT
from ecbpf.kernel.program import Program
from ecbpf.kernel.xdp import NATIVE, create_link
from ecbpf.netdev.interfaces import index_of

__all__ = ["ROWS"]

_PREFIXES = 100_000  # nft(8) takes too long for more
_FRAMES = 200_000
_ROUNDS = 12
_LEAST_OF_DROP, _LEAST_TIMES_NFTABLES = 0.85, 3
_NFT = ("/usr/sbin/nft", "nftables")
_Setup = Callable[[ExitStack], Callable[[], float]]


class _Flood(NamedTuple):
    """The packets that are sent: of a family, from one listed source or from many."""

    family: int
    many: bool

    def __str__(self) -> str:
        return f"{'many' if self.many else 'one'}-ip{self.family}"

    def sources(self) -> Rows:
        return hits(self.family, _PREFIXES) if self.many else common(self.family, _PREFIXES)


class _Wire:
    """A veth pair, and how many packets eth0 saw."""

    def __init__(self, stack: ExitStack) -> None:
        self.network = Network(stack)
        for name in ("eth0", "eth1"):
            # Without addresses: the packets that a host sends because of them would be counted.
            self.network.run("ip", "link", "set", name, "addrgenmode", "none", "up")
        with self.network.entered():
            self._near, self._far = index_of("eth0"), index_of("eth1")

    def attach(self, stack: ExitStack, program: Program) -> None:
        with self.network.entered():
            stack.enter_context(create_link(self._near, program, NATIVE))

    def _seen(self) -> int:
        """Packets that eth0 received. Call it inside the namespace."""
        with open("/proc/thread-self/net/dev", encoding="ascii") as table:
            counts = next(line.split(":")[1] for line in table if line.strip().startswith("eth0:"))
        return int(counts.split()[1])

    def sending(
        self, stack: ExitStack, flood: _Flood, *, verdict: str = "xdp_transmit", arriving: int = _FRAMES
    ) -> Callable[[], float]:
        """A measurement: nanoseconds per packet. verdict: the program that decides what becomes of the packets."""
        end = load_program(stack, compiled("transmit"), verdict)
        generator = cold_sources(stack, end, flood.family, flood.sources())
        packet = PACKETS[PACKET[flood.family]]

        def send(frames: int) -> int:
            begin = time.thread_time_ns()
            generator.send_live(packet, self._far, repeat=frames)
            return time.thread_time_ns() - begin

        with self.network.entered():
            overhead = statistics.median(send(64) for _ in range(15))

        def once() -> float:
            with self.network.entered():
                before = self._seen()
                took = send(_FRAMES)
                arrived = self._seen() - before
            assert arrived == arriving, f"{arrived} packets arrived, not {arriving}"
            return (took - overhead) / _FRAMES

        return once


@functools.cache
def _generator(stack: ExitStack, flood: _Flood) -> Callable[[], float]:
    return _Wire(stack).sending(stack, flood, verdict="xdp_only_drop", arriving=0)


@functools.cache
def _bare_drop(stack: ExitStack, flood: _Flood) -> Callable[[], float]:
    wire = _Wire(stack)
    wire.attach(stack, load_program(stack, compiled("transmit"), "xdp_only_drop"))
    return wire.sending(stack, flood)


@functools.cache
def _filter(stack: ExitStack, flood: _Flood) -> Callable[[], float]:
    root, slots = load_slots(stack, {SLOT: compiled("filter")})
    fill(slots[SLOT], {flood.family: _listed(flood.family)})
    wire = _Wire(stack)
    wire.attach(stack, root)
    sending = wire.sending(stack, flood)
    counts = slots[SLOT].maps["filter_stats"]
    assert counts.btf is not None
    key = counts.btf.enum("filter_counter")[{4: "FILTER_IP_DROP_COUNT", 6: "FILTER_IP6_DROP_COUNT"}[flood.family]]

    def once() -> float:
        before = counts.sum(key)
        took = sending()
        dropped = counts.sum(key) - before
        assert dropped == _FRAMES, f"{dropped} packets dropped, not {_FRAMES}"
        return took

    return once


@functools.cache
def _nftables(stack: ExitStack, flood: _Flood) -> Callable[[], float]:
    wire = _Wire(stack)
    # Frames sent by XDP_TX arrive only where there is an XDP program or GRO; GRO makes skbs of them.
    wire.network.run("ethtool", "-K", "eth0", "gro", "on")
    wire.network.run(_NFT[0], "-f", "-", stdin=_ruleset(flood.family))
    sending = wire.sending(stack, flood)

    def once() -> float:
        took = sending()
        # `list` would first read the whole set, which takes a second.
        counter = wire.network.run(_NFT[0], "reset", "counter", "netdev", "bench", "passed")
        assert "packets 0 " in counter, f"not all dropped:\n{counter}"
        return took

    return once


@functools.cache
def _listed(family: int) -> Rows:
    """Without prefixes that others cover: nft(8) accepts no overlaps."""
    return disjoint(prefixes(family, _PREFIXES))


def _ruleset(family: int) -> str:
    rows = _listed(family)
    numbers = zip(rows["upper"].tolist(), rows["lower"].tolist(), rows["length"].tolist(), strict=True)
    elements = ",".join(text_of(family, *each) for each in numbers)
    return f"""
table netdev bench {{
	counter passed {{ }}
	set listed {{ type ipv{family}_addr; flags interval; elements = {{ {elements} }} }}
	chain ingress {{
		type filter hook ingress device "eth0" priority 0; policy accept;
		{"ip" if family == 4 else "ip6"} saddr @listed drop
		counter name passed
	}}
}}
"""


def _rows(flood: _Flood) -> list[Row]:
    def setup(what: Callable[[ExitStack, _Flood], Callable[[], float]]) -> _Setup:
        return lambda stack: what(stack, flood)

    row = functools.partial(Row, "filter-live", rounds=_ROUNDS)
    sources = "65,536 sources" if flood.many else "one source"
    generator, drop, ours = f"generator-{flood}", f"drop-{flood}", f"filter-{flood}"
    return [
        row(generator, f"IPv{flood.family} packets from {sources}, made but not sent", setup(_generator)),
        row(drop, "sent to a bare `return XDP_DROP`", setup(_bare_drop), generator),
        row(ours, "sent to root + filter, 100k prefixes", setup(_filter), generator),
        row(
            f"nftables-{flood}",
            "sent to a netdev chain, a set of the same prefixes",
            setup(_nftables),
            generator,
            peer_of=ours,
            needs=_NFT,
        ),
        row(
            f"time-to-drop-{flood}",
            "root + filter, as a multiple of the bare drop, making and sending included",
            setup(_filter),
            drop,
            ratio=True,
            limit=None if flood.many else round(1 / _LEAST_OF_DROP, 3),
        ),
        row(
            f"nftables-time-{flood}",
            "nftables, as a multiple of root + filter, making and sending included",
            setup(_nftables),
            ours,
            ratio=True,
            least=_LEAST_TIMES_NFTABLES,
            needs=_NFT,
        ),
    ]


ROWS = [row for family in (4, 6) for many in (False, True) for row in _rows(_Flood(family, many))]
