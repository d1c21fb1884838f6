"""Packets that come in, the state of their flow, and what the fast path does: verdict, reason, counters.

Every case is made for both families, and the established flow of a case has, if nothing else is said, had its
first packets, is confirmed, and was heard and last sampled a tenth of a second ago.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.netns.fastpath.state import OTHER_PORT
from tests.oracle.fastpath_flows import FlowId
from tests.oracle.fastpath_packets import ACK, FIN, NIC_MAC, PSH, ROUTER_MAC, RST, SYN, frame_of

__all__ = ["ANSWERED", "BOTH", "DISCARDED", "TO_SERVER", "UP", "Case", "cases", "flow_of"]

UP = ("XDP_PASS", "REASON_NONE")
TO_SERVER = ("XDP_TX", "REASON_FAST_PATH")
ANSWERED = ("XDP_TX", "REASON_RESET_ANSWER")
DISCARDED = ("XDP_DROP", "REASON_RESET_FLOW")
BOTH = (4, 6)

_ADDRESSES = {
    4: (bytes((198, 51, 100, 7)), bytes((10, 0, 1, 10))),
    6: (b"\x20\x01\x0d\xb8\0\7" + bytes(9) + b"\7", b"\x20\x01\x0d\xb8\0\1" + bytes(9) + b"\x10"),
}
_MULTICAST = {4: bytes((224, 0, 0, 1)), 6: b"\xff\x02" + bytes(13) + b"\1"}
_SACK = b"\1\1\5\x0a" + bytes(8)
_TIMESTAMPS = b"\1\1\x08\x0a" + bytes(8)


def flow_of(family: int, proto: int = 6, port: int = 40000) -> FlowId:
    return FlowId(*_ADDRESSES[family], port, 443, proto)


class Case(NamedTuple):
    """flow: how the known flow differs (None: it is unknown); ages in seconds end in _ago.

    counters: beside those that count every packet (`basic`: which of those). becomes: members of the flow
    afterwards; `ended`: it is none any more.
    """

    description: str
    frame: bytes
    verdict: tuple[str, str]
    counters: tuple[str, ...] = ()
    flow: dict[str, Any] | None = {}  # noqa: RUF012 (read only)
    settings: dict[str, Any] = {}  # noqa: RUF012
    basic: str = "tcp"  # "tcp", "ip", "none"
    becomes: dict[str, Any] = {}  # noqa: RUF012
    ended: bool = False
    local: bool = False
    proto: int = 6


def cases(family: int) -> Iterator[Case]:
    yield from _kernels_alone(family)
    yield from _unknown(family)
    yield from _rules(family)
    yield from _times(family)
    yield from _resets(family)
    yield from _ways(family)
    yield from _udp(family)
    yield from _monitor(family)


def _kernels_alone(family: int) -> Iterator[Case]:
    """Although they are of a flow that is known."""
    flow = flow_of(family)

    def case(description: str, basic: str = "tcp", counters: tuple[str, ...] = (), **fields: Any) -> Case:
        return Case(description, frame_of(flow, **fields), UP, counters, basic=basic, becomes={"up": 1})

    yield case("to another MAC", "none", macs=b"\x02\0\0\0\0\x0c" + ROUTER_MAC)
    for index in range(6):
        other = bytes(each ^ (2 if i == index else 0) for i, each in enumerate(NIC_MAC))
        yield case(f"byte {index} of the MAC differs", "none", macs=other + ROUTER_MAC)
    yield case("broadcast", "none", ("broad_multi_pkts",), macs=b"\xff" * 6 + ROUTER_MAC)
    yield case("multicast MAC", "none", ("broad_multi_pkts",), macs=b"\1\0\x5e\0\0\1" + ROUTER_MAC)
    for ttl in (0, 1):
        yield case(f"TTL {ttl}", ttl=ttl)
        yield Case(f"TTL {ttl} of an unknown flow", frame_of(flow, ttl=ttl), UP, flow=None)
    yield Case("TTL 2", frame_of(flow, ttl=2), TO_SERVER)
    yield case("two tags", tags=b"\x88\xa8\0\x05\x81\0\0\x06")
    yield case("three tags", "none", ("frame_errors",), tags=b"\x81\0\0\x05" * 3)

    for words in (0, 1, 4):
        yield case(f"TCP header of {words} words", counters=("frame_errors",), data_offset=words)
    yield case("TCP header beyond the packet", counters=("frame_errors",), data_offset=6)
    whole = frame_of(flow, payload=b"x")
    l4 = whole[: 14 + (20 if family == 4 else 40)]
    for size in (0, 8, 19):
        inside = whole[len(l4) : len(l4) + size]
        yield Case(f"TCP header of {size} bytes", _length(l4, size) + inside, UP, ("frame_errors",))
        padded = _length(l4, size) + inside + bytes(40)
        yield Case(f"TCP header of {size} bytes, padded", padded, UP, ("frame_errors",))
    for proto in (1, 47, 50, 58, 59, 132):
        yield Case(f"protocol {proto}", frame_of(flow._replace(proto=proto), payload=bytes(40)), UP, basic="ip")
    yield Case("UDP, switched off", frame_of(flow._replace(proto=17)), UP, basic="ip")
    yield from _family_s_own(family, flow)


def _length(header: bytes, payload: int) -> bytes:
    """A frame up to the IP header, which tells of another length."""
    if len(header) == 34:
        return header[:16] + (20 + payload).to_bytes(2, "big") + header[18:]
    return header[:18] + payload.to_bytes(2, "big") + header[20:]


def _family_s_own(family: int, flow: FlowId) -> Iterator[Case]:
    if family == 4:
        for name, options in (("NOP", b"\1\1\1\0"), ("router alert", b"\x94\4\0\0"), ("40 bytes", b"\1" * 40)):
            yield Case(f"option: {name}", frame_of(flow, ip_options=options), UP, basic="ip")
        for name, bits in (("first", 0x2000), ("middle", 0x2001), ("last", 1), ("furthest", 0x1FFF)):
            frame = frame_of(flow, fragment=bits)
            yield Case(f"{name} fragment", frame, UP, ("ipv4_fragmented_pkts",), basic="ip")
        yield Case("evil", frame_of(flow, fragment=0x8000), UP, basic="ip")
        yield Case("don't fragment", frame_of(flow, fragment=0x4000), TO_SERVER)
        right = frame_of(flow)
        for name, at, value in (("version 5", 14, 0x55), ("header of 16 bytes", 14, 0x44), ("length", 17, 200)):
            wrong = right[:at] + bytes((value,)) + right[at + 1 :]
            yield Case(f"broken: {name}", wrong, UP, ("frame_errors",), basic="ip")
        yield Case("cut in the IP header", right[:33], UP, ("frame_errors",), basic="ip")
        return
    for name, proto in (("hop-by-hop", 0), ("routing", 43), ("destination", 60), ("atomic fragment", 44)):
        tcp = frame_of(flow)[54:]
        extended = frame_of(flow._replace(proto=proto), payload=b"\6" + bytes(7) + tcp)
        yield Case(f"extension: {name}", extended, UP, basic="ip")
    fragment = frame_of(flow._replace(proto=44), payload=b"\6\0\0\1" + bytes(4) + frame_of(flow)[54:])
    yield Case("fragment", fragment, UP, basic="ip")
    right = frame_of(flow)
    yield Case("broken: version 5", right[:14] + b"\x50" + right[15:], UP, ("frame_errors",), basic="ip")
    yield Case("broken: length", right[:19] + b"\xff" + right[20:], UP, ("frame_errors",), basic="ip")
    yield Case("cut in the IP header", right[:53], UP, ("frame_errors",), basic="ip")


def _unknown(family: int) -> Iterator[Case]:
    flow = flow_of(family)
    for name, flags in (("ACK", ACK), ("SYN", SYN), ("FIN", FIN | ACK), ("RST", RST), ("all", 63), ("none", 0)):
        yield Case(f"unknown: {name}", frame_of(flow, flags), UP, flow=None)
    locals_ = (f"ipv{family}_inbound_locals",)
    yield Case("unknown: to this host", frame_of(flow), UP, locals_, flow=None, local=True)
    to_all = frame_of(flow._replace(vip=_MULTICAST[family]))
    yield Case("unknown: to a multicast address", to_all, UP, ("broad_multi_pkts",), flow=None)
    for name, options in (
        ("first", _SACK),
        ("behind timestamps", _TIMESTAMPS + _SACK),
    ):
        frame = frame_of(flow, tcp_options=options)
        yield Case(f"unknown: SACK {name}", frame, UP, ("suspect_misflows_sack",), flow=None)
    for name, options, payload in (
        ("timestamps only", _TIMESTAMPS, b""),
        ("behind the header", b"", _SACK),
        ("behind timestamps and the header", _TIMESTAMPS, _SACK),
        ("permitted", b"\1\1\4\2", b""),
        ("behind one NOP", b"\1\5\x0a" + bytes(8) + b"\1", b""),
    ):
        yield Case(f"unknown: {name}", frame_of(flow, tcp_options=options, payload=payload), UP, flow=None)
    beside = {
        "client": flow._replace(client=flow.client[:-1] + b"\x08"),
        "client's first byte": flow._replace(client=b"\x21" + flow.client[1:]),
        "VIP": flow._replace(vip=flow.vip[:-1] + b"\x11"),
        "client's port": flow._replace(client_port=40001),
        "VIP's port": flow._replace(vip_port=444),
    }
    if family == 6:
        beside["client's middle"] = flow._replace(client=flow.client[:9] + b"\1" + flow.client[10:])
        beside["VIP's middle"] = flow._replace(vip=flow.vip[:9] + b"\1" + flow.vip[10:])
    for name, other in beside.items():
        yield Case(f"unknown: another {name}", frame_of(other), UP)


def _rules(family: int) -> Iterator[Case]:
    flow = flow_of(family)
    locals_ = (f"ipv{family}_inbound_locals",)
    for name, flags in (("ACK", ACK), ("RST", RST), ("SYN", SYN), ("FIN", FIN | ACK)):
        before: dict[str, Any] = {"up": 7, "fins": 1, "is_reset": 1} if flags != RST else {"up": 7, "fins": 1}
        yield Case(f"{name}, local by now", frame_of(flow, flags), UP, locals_, before, local=True, becomes=before)
    for name, flags in (("", RST), (" and ACK", RST | ACK), (" and SYN", RST | SYN), (" and FIN", RST | FIN)):
        yield Case(f"RST{name}", frame_of(flow, flags), UP, ("lru_deletion_RST",), ended=True)
        reset = {"is_reset": 1, "answers": 1}
        yield Case(f"RST{name}, reset", frame_of(flow, flags), UP, ("lru_deletion_RST",), reset, ended=True)
    anew = {"first": 10, "fins": 0, "is_reset": 0, "resets": 0, "answers": 0, "unconfirmed": 0, "went_up_ago": 0}
    old = {"fins": 4, "is_reset": 1, "resets": 2, "answers": 5, "unconfirmed": 3, "heard_ago": 500, "first": 2}
    for name, flags in (("", SYN), (" and ACK", SYN | ACK), (" and FIN", SYN | FIN)):
        yield Case(f"SYN{name}", frame_of(flow, flags), UP, becomes=anew)
        yield Case(f"SYN{name}, anything behind it", frame_of(flow, flags), UP, flow=old, becomes=anew)
    for name, flags in (("FIN", FIN), ("FIN, ACK", FIN | ACK), ("FIN, PSH, ACK", FIN | PSH | ACK)):
        for fins in range(5):
            after = {"fins": fins + 1, "went_up_ago": 0, "first": 0}
            yield Case(f"{name}, number {fins + 1}", frame_of(flow, flags), UP, flow={"fins": fins}, becomes=after)
        sixth = frame_of(flow, flags)
        yield Case(f"{name}, number 6", sixth, TO_SERVER, flow={"fins": 5}, becomes={"fins": 5})
    lost = {"unconfirmed": 3, "heard_ago": 100, "fins": 1}
    after = {"fins": 2, "unconfirmed": 3}
    yield Case("FIN, before silence and all", frame_of(flow, FIN), UP, flow=lost, becomes=after)
    for first in range(1, 11):
        after = {"first": first - 1, "went_up_ago": 0, "unconfirmed": 0}
        yield Case(f"{first} of the first are left", frame_of(flow), UP, flow={"first": first}, becomes=after)
    after = {"first": 2, "went_up_ago": 0}
    yield Case("unconfirmed", frame_of(flow), UP, ("unconfirmed",), {"unconfirmed": 3, "first": 2}, becomes=after)
    for lost_ in (1, 2):
        yield Case(f"{lost_} samples lost", frame_of(flow), TO_SERVER, flow={"unconfirmed": lost_})
    yield Case("the first to go", frame_of(flow), TO_SERVER, becomes={"bypassed": 1, "up": 1, "heard_ago": 0})
    for name, flags in (("no flag", 0), ("PSH, ACK", PSH | ACK), ("URG, ECE, CWR", 0xF0)):
        yield Case(name, frame_of(flow, flags, payload=bytes(100)), TO_SERVER)
    options = _TIMESTAMPS + _SACK
    yield Case("options of TCP", frame_of(flow, tcp_options=options, payload=b"abc"), TO_SERVER)
    yield Case("padded by Ethernet", frame_of(flow).ljust(80, b"\xee"), TO_SERVER)


def _times(family: int) -> Iterator[Case]:
    """At each boundary: the last moment of one rule and the first of the next, a tick apart."""
    flow = flow_of(family)
    frame = frame_of(flow)
    for seconds in (1, 60, 900):
        settings = {"inactive_seconds": seconds, "sample_seconds": 1000}
        silent = {"heard_ago": seconds + 0.001}
        out: dict[str, Any] = {"unconfirmed": 3, "went_up_ago": 0}
        yield Case(
            f"silent for more than {seconds} s", frame, UP, ("inactivity_timeout",), silent, settings, becomes=out
        )
        yield Case(f"silent for {seconds} s", frame, TO_SERVER, flow={"heard_ago": seconds}, settings=settings)
        both = {"unconfirmed": 3, "first": 5} | silent
        yield Case(
            f"silent for {seconds} s and more", frame, UP, ("inactivity_timeout",), both, settings, becomes=out
        )
    for seconds in (1, 2, 899):
        for fins, pause in ((0, seconds), (1, seconds / 4), (5, seconds / 4)):
            settings = {"sample_seconds": seconds}
            sampled: dict[str, Any] = {"unconfirmed": 1, "went_up_ago": 0, "fins": fins}
            due = {"went_up_ago": pause, "fins": fins}
            early = {"went_up_ago": pause - 0.001, "fins": fins}
            name = f"{pause} s since the last sample, {fins} FINs"
            yield Case(name, frame, UP, flow=due, settings=settings, becomes=sampled)
            yield Case(f"nearly {name}", frame, TO_SERVER, flow=early, settings=settings)
    third = {"unconfirmed": 2, "went_up_ago": 1}
    yield Case("the third sample", frame, UP, flow=third, becomes={"unconfirmed": 3, "went_up_ago": 0})
    # Another CPU has noted the time when it was later than we think.
    yield Case("heard in the future", frame, TO_SERVER, flow={"heard_ago": -0.001})
    yield Case("sampled in the future", frame, TO_SERVER, flow={"went_up_ago": -0.001})


def _resets(family: int) -> Iterator[Case]:
    flow = flow_of(family)
    frame = frame_of(flow)
    sent, gone = ("out_rsts_sent_xdp",), ("in_rsts_disc_flow",)
    for answers in range(5):
        before = {"is_reset": 1, "answers": answers, "answered_ago": 0.010}
        after = {"answers": answers + 1, "answered_ago": 0}
        yield Case(f"reset: answer {answers + 1}", frame, ANSWERED, sent, before, becomes=after)
    five = {"is_reset": 1, "answers": 5, "answered_ago": 9, "heard_ago": 9.999}
    yield Case("reset: no sixth", frame, DISCARDED, gone, five, becomes={"answers": 5, "heard_ago": 0})
    silent = five | {"heard_ago": 10, "answered_ago": 10, "resets": 2}
    yield Case("reset: 10 s later", frame, ANSWERED, sent, silent, becomes={"answers": 1, "resets": 0})
    soon = {"is_reset": 1, "answers": 1, "answered_ago": 0.009_999_999}
    yield Case("reset: nearly 10 ms later", frame, DISCARDED, gone, soon, becomes={"answers": 1})
    first = {"is_reset": 1, "answers": 0, "answered_ago": 0.001}
    yield Case("reset: the first is at once", frame, ANSWERED, sent, first)
    for name, flags in (("no flag", 0), ("FIN", FIN), ("PSH", PSH)):
        before = {"is_reset": 1}
        yield Case(f"reset: {name} without ACK", frame_of(flow, flags), DISCARDED, gone, before)
    for name, flags in (("FIN, ACK", FIN | ACK), ("PSH, ACK", PSH | ACK), ("all but SYN and RST", 0xF9)):
        yield Case(f"reset: {name}", frame_of(flow, flags), ANSWERED, sent, {"is_reset": 1}, becomes={"fins": 0})
    old = {"is_reset": 1, "heard_ago": 500, "went_up_ago": 500, "unconfirmed": 3, "first": 3}
    yield Case("reset: before silence and all", frame, ANSWERED, sent, old, becomes={"first": 3, "unconfirmed": 3})
    yield Case("reset: by another NIC", frame, ANSWERED, sent, {"is_reset": 1, "ifindex": OTHER_PORT})


def _ways(family: int) -> Iterator[Case]:
    flow = flow_of(family)
    frame = frame_of(flow)
    elsewhere = {"ifindex": OTHER_PORT}
    no_way, conflict = ("unknown_interface",), ("vlan_conflicts",)
    stays: dict[str, Any] = {"up": 2, "bypassed": 0, "unconfirmed": 0}
    for vlan in (0, 100):
        away = elsewhere | {"vlan": vlan}
        yield Case(f"by another NIC, VLAN {vlan}", frame, UP, no_way, away, becomes=stays)
    redirect = {"redirect": True}
    redirected = ("XDP_REDIRECT", "REASON_FAST_PATH")
    yield Case("redirected", frame, redirected, flow=elsewhere, settings=redirect, becomes={"bypassed": 1})
    yield Case("redirected by the same NIC", frame, redirected, settings=redirect)
    yield Case("redirected into a VLAN", frame, redirected, flow=elsewhere | {"vlan": 100}, settings=redirect)
    yield Case("redirected to nowhere", frame, UP, no_way, {"ifindex": 77}, redirect, becomes=stays)
    for vlan in (1, 100, 4094):
        tagged = {"vlan": vlan}
        yield Case(f"VLAN {vlan}, as set", frame, TO_SERVER, flow=tagged, settings=tagged)
        yield Case(f"VLAN {vlan} is set, by another NIC", frame, TO_SERVER, flow=elsewhere, settings=tagged)
        yield Case(f"VLAN {vlan} is set, untagged", frame, UP, conflict, settings=tagged, becomes=stays)
        yield Case(f"VLAN {vlan} is set, another is used", frame, UP, conflict, {"vlan": 99}, tagged)
        away = elsewhere | {"vlan": 99}
        yield Case(f"VLAN {vlan} is set, another by another NIC", frame, UP, conflict, away, tagged)
        both = redirect | tagged
        yield Case(f"VLAN {vlan} is set, redirected", frame, redirected, flow=elsewhere | tagged, settings=both)
        yield Case(f"VLAN {vlan} is set, redirected untagged", frame, UP, conflict, elsewhere, both)
    for ttl in (2, 3, 64, 255):
        aged = {"decrement_ttl": True}
        yield Case(f"TTL {ttl} decremented", frame_of(flow, ttl=ttl), TO_SERVER, settings=aged)
        yield Case(f"TTL {ttl} decremented, tag", frame_of(flow, ttl=ttl), TO_SERVER, (), {"vlan": 9}, aged)


def _udp(family: int) -> Iterator[Case]:
    flow = flow_of(family, 17)
    on = {"udp": True}
    frame = frame_of(flow, payload=bytes(30))

    def case(description: str, verdict: tuple[str, str], counters: tuple[str, ...] = (), **more: Any) -> Case:
        fields: dict[str, Any] = {"frame": frame, "settings": on, "basic": "ip", "proto": 17} | more
        return Case(f"UDP: {description}", verdict=verdict, counters=counters, **fields)

    yield case("known", TO_SERVER)
    yield case("unknown", UP, flow=None)
    yield case("of a TCP flow's addresses", UP, proto=6)
    yield case("of a UDP flow's addresses", UP, frame=frame_of(flow_of(family)), basic="tcp")
    yield case("young", UP, flow={"first": 1}, becomes={"first": 0})
    yield case("sample", UP, flow={"went_up_ago": 1}, becomes={"unconfirmed": 1})
    yield case("silent", UP, ("inactivity_timeout",), flow={"heard_ago": 60.001}, becomes={"unconfirmed": 3})
    yield case("unconfirmed", UP, ("unconfirmed",), flow={"unconfirmed": 3})
    yield case("switched off", UP, settings={})
    yield case("without payload", TO_SERVER, frame=frame_of(flow))
    yield case("one that would be a TCP RST", TO_SERVER, frame=frame_of(flow, payload=b"\xff" * 30))
    yield case("in a TTL of 1", UP, frame=frame_of(flow, ttl=1))
    short = frame_of(flow)
    yield case("cut in the header", UP, ("frame_errors",), frame=_length(short[:-8], 7) + short[-8:-1])
    padded = _length(short[:-8], 7) + short[-8:] + bytes(40)
    yield case("cut in the header, padded", UP, ("frame_errors",), frame=padded)


def _monitor(family: int) -> Iterator[Case]:
    flow = flow_of(family)
    on = {"monitor": True}
    frame = frame_of(flow)
    yield Case(
        "monitor: to the server",
        frame,
        UP,
        ("total_bypassed_pkts",),
        settings=on,
        becomes={"bypassed": 1, "up": 1},
    )
    yield Case("monitor: answer", frame, UP, ("out_rsts_sent_xdp",), {"is_reset": 1}, on, becomes={"answers": 1})
    yield Case("monitor: discard", frame, UP, ("in_rsts_disc_flow",), {"is_reset": 1, "answers": 5}, on)
    yield Case("monitor: no way", frame, UP, ("unknown_interface",), {"ifindex": OTHER_PORT}, on)
    redirect = on | {"redirect": True}
    away = {"ifindex": OTHER_PORT}
    yield Case("monitor: redirected", frame, UP, ("total_bypassed_pkts",), away, redirect)
    yield Case("monitor: redirected to nowhere", frame, UP, ("unknown_interface",), {"ifindex": 77}, redirect)
    aged = on | {"decrement_ttl": True}
    yield Case("monitor: nothing is changed", frame, UP, ("total_bypassed_pkts",), {"vlan": 100}, aged)
