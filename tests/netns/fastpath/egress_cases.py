"""Packets that go out, the state of their flow, and what egress of the fast path does.

If nothing else is said, a packet goes to a VIP of this host, without a mark; a known flow is as in
cases.py.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.netns.fastpath.cases import flow_of
from tests.netns.fastpath.director import BY_MARK, ROUTED, UNREACHABLE, VIP
from tests.netns.fastpath.kernel import DROPPED, LET_BY
from tests.netns.fastpath.state import MACS, OTHER_PORT
from tests.oracle.fastpath import PORT
from tests.oracle.fastpath_packets import ACK, FIN, OUR_MAC, PSH, RST, SYN, frame_of

__all__ = ["TAG", "Case", "cases"]

OTHER_MACS = b"\x02\0\0\0\0\x0c" + OUR_MAC
TAG, PRIORITY_TAG = b"\x81\0\0\x64", b"\x81\0\xa0\x64"
TWO_TAGS = b"\x88\xa8\0\x05\x81\0\0\x64"


class Case(NamedTuple):
    """flow: how the known flow differs (None: it is unknown). becomes: of the flow afterwards; None: it has ended.

    vip: which of them the packet goes to, as director.py lists them.
    """

    description: str
    frame: bytes
    counters: tuple[str, ...] = ()
    flow: dict[str, Any] | None = {}  # noqa: RUF012 (read only)
    becomes: dict[str, Any] | None = {}  # noqa: RUF012
    verdict: str = LET_BY
    settings: dict[str, Any] = {}  # noqa: RUF012
    own: bool = False
    mark: int = 0
    at: tuple[int, int] = (PORT, 0)
    local: bool = False
    vip: dict[int, bytes] = VIP
    proto: int = 6


def cases(family: int) -> Iterator[Case]:
    yield from _learning(family)
    yield from _by_route(family)
    yield from _confirming(family)
    yield from _tags(family)
    yield from _resets(family)
    yield from _others(family)


LEARNED, MISSED, REUSED = ("lru_alloc_nonsyns",), ("lru_miss_out_nonsyn",), ("lru_reuse_nonsyns",)
NEW = {
    "macs": MACS,
    "ifindex": PORT,
    "vlan": 0,
    "first": 9,
    "fins": 0,
    "unconfirmed": 0,
    "is_reset": 0,
    "resets": 0,
    "answers": 0,
    "bypassed": 0,
    "up": 1,
    "heard_ago": 0,
    "went_up_ago": 0,
    "learned_ago": 0,
    "confirmed_ago": 0,
}


def _learning(family: int) -> Iterator[Case]:
    flow = flow_of(family)

    def frame(flags: int = ACK, **fields: Any) -> bytes:
        return frame_of(flow, flags, **{"macs": MACS} | fields)

    for name, flags in (("ACK", ACK), ("PSH, ACK", PSH | ACK), ("no flag", 0), ("URG, ECE, CWR", 0xE0)):
        yield Case(f"learned from {name}", frame(flags), LEARNED, None, NEW)
    yield Case("learned from one with data", frame(payload=bytes(1400)), LEARNED, None, NEW)
    yield Case("learned from one with a TTL of 1", frame(ttl=1), LEARNED, None, NEW)
    for name, flags in (("FIN", FIN), ("FIN, ACK", FIN | ACK), ("RST", RST), ("RST, ACK", RST | ACK)):
        yield Case(f"not learned from {name}", frame(flags), MISSED, None, None)
    for name, flags in (("SYN", SYN), ("SYN, ACK", SYN | ACK), ("all flags", 0xFF)):
        yield Case(f"not learned from {name}", frame(flags), ("lru_miss_out_syn",), None, None)
    yield Case("own or excluded address", frame(), MISSED, None, None, local=True)
    yield Case("own or excluded address, mark", frame(), MISSED, None, None, local=True, mark=5)
    at_other = NEW | {"ifindex": OTHER_PORT}
    yield Case("by another NIC", frame(), LEARNED, None, at_other, at=(OTHER_PORT, 0))
    yield Case("in monitor mode", frame(), LEARNED, None, NEW, settings={"monitor": True})
    to_all = frame_of(flow._replace(vip=MULTICAST[family]), macs=MACS)
    yield Case("to a multicast address", to_all, MISSED, None, None, mark=1, vip=MULTICAST)


MULTICAST = {4: bytes((224, 0, 0, 1)), 6: b"\xff\x0e" + bytes(13) + b"\1"}


def _by_route(family: int) -> Iterator[Case]:
    for name, vips, mark, is_learned in (
        ("a local VIP", VIP, 0, True),
        ("a local VIP, mark", VIP, 7, True),
        ("routed", ROUTED, 0, False),
        ("routed, mark", ROUTED, 7, True),
        ("a service by mark", BY_MARK, 1, True),
        ("a service by mark, no mark", BY_MARK, 0, False),
        ("no way", UNREACHABLE, 0, False),
    ):
        frame = frame_of(flow_of(family)._replace(vip=vips[family]), macs=MACS)
        if is_learned:
            yield Case(name, frame, LEARNED, None, NEW, mark=mark, vip=vips)
        else:
            yield Case(name, frame, MISSED, None, None, mark=mark, vip=vips)
    routed = frame_of(flow_of(family)._replace(vip=ROUTED[family]), macs=MACS)
    yield Case("a known flow needs no route", routed, REUSED, vip=ROUTED)


def _confirming(family: int) -> Iterator[Case]:
    flow = flow_of(family)
    unconfirmed = {"unconfirmed": 3, "confirmed": 5, "first": 4, "fins": 2, "went_up_ago": 0.5}
    after: dict[str, Any] = {"unconfirmed": 0, "confirmed_ago": 0, "first": 4, "fins": 2, "went_up_ago": 0.5}
    for name, flags in (("ACK", ACK), ("FIN", FIN | ACK)):
        frame = frame_of(flow, flags, macs=MACS)
        yield Case(f"confirmed by {name}", frame, REUSED, unconfirmed, after)
    reset = {"is_reset": 1, "answers": 3, "resets": 2}
    for name, counters, flags, behind in (
        ("ACK", REUSED, ACK, {"is_reset": 0, "resets": 2}),
        ("SYN", ("lru_reuse_syns",), SYN, {"is_reset": 0, "resets": 0, "answers": 0}),
    ):
        yield Case(f"no more reset after {name}", frame_of(flow, flags, macs=MACS), counters, reset, behind)
    anew = {"first": 10, "fins": 0, "unconfirmed": 0, "confirmed_ago": 0}
    yield Case("SYN", frame_of(flow, SYN, macs=MACS), ("lru_reuse_syns",), unconfirmed, anew)
    yield Case("SYN, FIN", frame_of(flow, SYN | FIN, macs=MACS), ("lru_reuse_syns",), unconfirmed, anew)
    for name, flags in (("RST", RST), ("RST, ACK", RST | ACK), ("RST, SYN", RST | SYN)):
        frame = frame_of(flow, flags, macs=MACS)
        yield Case(name, frame, ("lru_deletion_RST",), unconfirmed, None)

    moved = ("server_changes", *REUSED)
    stays = {"first": 0, "bypassed": 5, "up": 3}
    to_other = frame_of(flow, macs=OTHER_MACS)
    yield Case("another server", to_other, moved, stays, stays | {"macs": OTHER_MACS})
    from_other = frame_of(flow, macs=MACS[:6] + b"\x02\0\0\0\0\x0d")
    yield Case("another MAC of ours", from_other, moved, {}, {"macs": MACS[:6] + b"\x02\0\0\0\0\x0d"})
    yield Case("another NIC", frame_of(flow, macs=MACS), moved, {}, {"ifindex": OTHER_PORT}, at=(OTHER_PORT, 0))
    syn = frame_of(flow, SYN, macs=OTHER_MACS)
    yield Case("another server from a SYN on", syn, ("server_changes", "lru_reuse_syns"), {}, anew)
    yield Case("into a VLAN", frame_of(flow, macs=MACS, tags=TAG), moved, {}, {"vlan": 100})
    yield Case("out of a VLAN", frame_of(flow, macs=MACS), moved, {"vlan": 100}, {"vlan": 0})
    yield Case("local by now", frame_of(flow, macs=MACS), REUSED, {}, {"unconfirmed": 0}, local=True)


def _tags(family: int) -> Iterator[Case]:
    flow = flow_of(family)
    for name, tags in (("802.1Q", TAG), ("with priority", PRIORITY_TAG), ("802.1ad", b"\x88\xa8\x20\x64")):
        yield Case(f"tag: {name}", frame_of(flow, macs=MACS, tags=tags), LEARNED, None, NEW | {"vlan": 100})
    yield Case(
        "tag of the interface", frame_of(flow, macs=MACS), LEARNED, None, NEW | {"vlan": 100}, at=(PORT, 100)
    )
    yield Case("two tags", frame_of(flow, macs=MACS, tags=TWO_TAGS), MISSED, None, None)
    inside = frame_of(flow, macs=MACS, tags=TAG)
    yield Case("a tag in the interface's", inside, MISSED, None, None, at=(PORT, 100))
    yield Case("two tags, known", frame_of(flow, macs=MACS, tags=TWO_TAGS), MISSED, {"vlan": 5}, None)
    yield Case("a tag in the interface's, known", inside, MISSED, {"vlan": 100}, None, at=(PORT, 100))
    syn = frame_of(flow, SYN, macs=MACS, tags=TWO_TAGS)
    yield Case("SYN in two tags, known", syn, ("lru_miss_out_syn",), {}, None)
    yield Case("three tags", frame_of(flow, macs=MACS, tags=TAG * 3), (), None, None)


def _resets(family: int) -> Iterator[Case]:
    flow = flow_of(family)
    rst = frame_of(flow, RST, macs=OTHER_MACS, to_client=True)
    sent = "out_rsts_sent_tc"
    limit = {"limit_rates": True}
    first = ("lru_deletion_out_RST", "unexpected_ipvs_rsts", sent)

    def case(description: str, counters: tuple[str, ...], *more: Any, **fields: Any) -> Case:
        fields = {"own": True} | fields
        return Case(f"RST: {description}", fields.pop("frame", rst), counters, *more, **fields)

    yield case("unknown", ("out_rsts_unknown", sent), None, None)
    for flags in (RST, RST | ACK, RST | FIN, RST | SYN):
        frame = frame_of(flow, flags, to_client=True)
        yield case(
            f"the first, flags {flags}",
            first,
            {"answers": 5},
            {"is_reset": 1, "resets": 1, "answers": 0},
            frame=frame,
        )
    lately = ("lru_deletion_out_RST", "unexpected_ipvs_rsts", sent)
    long_ago = ("lru_deletion_out_RST", sent)
    yield case("a sample was nearly 2 s ago", lately, {"went_up_ago": 1.999})
    yield case("a sample that another CPU noted later", lately, {"went_up_ago": -0.001})
    yield case("a sample was 2 s ago", long_ago, {"went_up_ago": 2})
    yield case("of every 5 s, nearly 6 s ago", lately, {"went_up_ago": 5.999}, settings={"sample_seconds": 5})
    yield case("of every 5 s, 6 s ago", long_ago, {"went_up_ago": 6}, settings={"sample_seconds": 5})
    once = {"is_reset": 1, "resets": 1, "answers": 3}
    yield case("the second", (sent,), once, {"resets": 2, "answers": 3})
    twice = {"is_reset": 1, "resets": 2}
    over = "out_rsts_disc_flow"
    yield case("the third", (over, sent), twice, twice)
    yield case("the third is dropped", (over,), twice, twice, DROPPED, limit)
    yield case("the third in monitor mode", (over, sent), twice, twice, settings=limit | {"monitor": True})
    none_at_all = limit | {"max_resets_pps": 0}
    rate = "out_rsts_disc_rate"
    yield case("too many", (rate, "out_rsts_unknown"), None, None, DROPPED, none_at_all)
    yield case("too many, known", (rate, *first[:2]), {}, {"is_reset": 1, "resets": 1}, DROPPED, none_at_all)
    yield case("too many, only counted", (rate, *first), {}, settings={"max_resets_pps": 0})
    yield case("too many, in monitor mode", (rate, *first), {}, settings=none_at_all | {"monitor": True})
    tagged = frame_of(flow, RST, to_client=True, tags=TAG)
    yield case("in a tag", first, frame=tagged)
    other_way = frame_of(flow, RST)
    yield case("the client's way", ("out_rsts_unknown", sent), frame=other_way, becomes={"is_reset": 0})
    for name, flags in (("ACK", ACK), ("SYN, ACK", SYN | ACK), ("FIN", FIN | ACK)):
        frame = frame_of(flow, flags, to_client=True)
        yield case(f"none, but {name}", (), becomes={"is_reset": 0, "resets": 0}, frame=frame)


def _others(family: int) -> Iterator[Case]:
    flow = flow_of(family)
    right = frame_of(flow, macs=MACS)
    for name, frame in (
        ("cut in the TCP header", right[:-1]),
        ("TCP header of 4 words", frame_of(flow, macs=MACS, data_offset=4)),
        ("TCP header beyond the packet", frame_of(flow, macs=MACS, data_offset=6)),
        ("ARP", MACS + b"\x08\x06" + bytes(46)),
        ("ICMP", frame_of(flow._replace(proto=1), macs=MACS, payload=bytes(40))),
    ):
        yield Case(f"nothing of it: {name}", frame, (), None, None)
    if family == 4:
        yield Case("nothing of it: IP options", frame_of(flow, macs=MACS, ip_options=b"\1" * 4), (), None, None)
        yield Case("nothing of it: a fragment", frame_of(flow, macs=MACS, fragment=0x2000), (), None, None)
        yield Case("don't fragment", frame_of(flow, macs=MACS, fragment=0x4000), LEARNED, None, NEW)
    else:
        behind = b"\6" + bytes(7) + right[54:]
        extended = frame_of(flow._replace(proto=60), macs=MACS, payload=behind)
        yield Case("nothing of it: an extension header", extended, (), None, None)
    datagram = flow._replace(proto=17)
    frame = frame_of(datagram, macs=MACS, payload=b"\xff" * 30)
    on = {"udp": True}
    yield Case("UDP, switched off", frame, (), None, None, proto=17)
    yield Case("UDP", frame, LEARNED, None, NEW, settings=on, proto=17)
    yield Case("UDP, known", frame, REUSED, {"unconfirmed": 3}, {"unconfirmed": 0}, settings=on, proto=17)
    to_client = frame_of(datagram, payload=b"\xff" * 30, to_client=True)
    yield Case("UDP, own", to_client, (), {}, {"is_reset": 0}, settings=on, own=True, proto=17)
    yield Case("UDP, cut", frame_of(datagram, macs=MACS)[:-1], (), None, None, settings=on, proto=17)
