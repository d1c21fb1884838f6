"""What the fast path should do with packets at either end: docs/fastpath.md in plain Python."""

from collections import Counter
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import NamedTuple

from tests.oracle.fastpath_flows import Flow, FlowId, FlowTable, Position, Server
from tests.oracle.fastpath_frames import to_server
from tests.oracle.fastpath_limits import InboundLimit, ResetLimit
from tests.oracle.fastpath_packets import ACK, FIN, NIC_MAC, RST, SYN
from tests.oracle.fastpath_settings import VLAN_AS_LEARNED, Settings
from tests.oracle.packet import Packet, parse

__all__ = ["PORT", "TICKS_A_SECOND", "Decision", "Model"]

TICKS_A_SECOND = 1000
PORT = 1  # ifindex of the NIC that ingress is on

_TCP, _UDP = 6, 17
_IP4, _IP6 = 0x0800, 0x86DD
_UNREADABLE_L4 = {"REASON_L4_SHORT", "REASON_TCP_HEADER"}
_FINS_UP = 5
_SAMPLES_LOST = 3
_RESETS_A_FLOW = 2
_ANSWERS = 5
_ANSWER_PAUSE = 10_000_000  # ns
_ANSWER_SILENCE = 10  # seconds


_parsed = lru_cache(64)(parse)  # bursts of the same


class Decision(NamedTuple):
    """What is to be seen. counters: how far each moves. frame: None: answer_faults() judges."""

    verdict: str
    reason: str
    counters: dict[str, int]
    frame: bytes | None


class Model:
    """A director's fast path. Set ticks and nanoseconds as time goes by, and settings and local as you like."""

    def __init__(self, position: Callable[[FlowId], Position], ports: Collection[int] = ()) -> None:
        """position: see FlowTable. ports: where redirected packets may go."""
        self.settings = Settings()
        self.local: frozenset[bytes] = frozenset()
        self.ports = ports
        self.flows = FlowTable(position)
        self.inbound = InboundLimit()
        self.resets = ResetLimit()
        self.ticks = 0
        self.nanoseconds = 0
        self._counts: Counter[str] = Counter()

    def _seconds(self, ticks: int) -> float:
        """How long ago that was."""
        return (self.ticks - ticks) / TICKS_A_SECOND

    # A packet comes in.

    def enter(self, frame: bytes, *, drawn: bool = False) -> Decision:
        """By the NIC. drawn: if there is a chance that the packet is one too many, it is."""
        self._counts = Counter(total_pkts_xdp_rx=1)
        self.inbound.arrive(self.settings, self.ticks, self.nanoseconds, TICKS_A_SECOND)
        verdict, reason, after = self._enter(frame, drawn)
        if self.settings.monitor:
            verdict, reason, after = "XDP_PASS", "REASON_NONE", frame
        return Decision(verdict, reason, dict(self._counts), after)

    def _enter(self, frame: bytes, drawn: bool) -> tuple[str, str, bytes | None]:
        up = "XDP_PASS", "REASON_NONE", frame
        if frame[:6] != NIC_MAC:
            self._counts["broad_multi_pkts"] += frame[0] & 1
            self._counts = +self._counts
            return up
        reason, packet = _parsed(frame)
        if not self._is_plain(reason, packet):
            return up
        flow = self.flows.find(_id_of(packet))
        if flow:
            return self._known(flow, packet, frame)
        if self._is_above_limit(packet, frame, drawn) and self.settings.limit_rates:
            return "XDP_DROP", "REASON_INBOUND_LIMIT", frame
        return up

    def _is_plain(self, reason: str, packet: Packet) -> bool:
        """Whether flows have such packets; the others are the kernel's."""
        count = self._counts
        if packet.ethertype in (_IP4, _IP6):
            count["ipv4_pkts" if packet.ethertype == _IP4 else "ipv6_pkts"] += 1
        if reason not in (_UNREADABLE_L4 | {"REASON_NONE"}):
            count["frame_errors"] += 1
            return False
        if packet.fragment and packet.version == 4:
            count["ipv4_fragmented_pkts"] += 1
        if packet.fragment or packet.options or packet.evil:
            return False
        if packet.proto == _TCP:
            count["tcp_pkts"] += 1
        elif packet.proto != _UDP or not self.settings.udp:
            return False
        if reason in _UNREADABLE_L4:
            count["frame_errors"] += 1
            return False
        return packet.ttl > 1 and len(packet.vlan) < 2

    def _is_above_limit(self, packet: Packet, frame: bytes, drawn: bool) -> bool:
        """A packet of an unknown flow."""
        count = self._counts
        if packet.daddr[0] >= 0xE0 if packet.version == 4 else packet.daddr[0] == 0xFF:
            count["broad_multi_pkts"] += 1
            return False
        if packet.daddr in self.local:
            count[f"ipv{packet.version}_inbound_locals"] += 1
            return False
        if packet.proto == _TCP and _has_sack(frame[packet.l4_offset : packet.payload_offset]):
            count["suspect_misflows_sack"] += 1
        if not drawn or not self.inbound.can_be_above(self.ticks):
            return False
        count["lru_miss_in_limited"] += 1
        return True

    def _known(self, flow: Flow, packet: Packet, frame: bytes) -> tuple[str, str, bytes | None]:
        count = self._counts
        up = "XDP_PASS", "REASON_NONE", frame
        if flow.id.vip in self.local:
            count[f"ipv{packet.version}_inbound_locals"] += 1
            return up
        way = self._decide(flow, packet)
        if way == "answer":
            count["out_rsts_sent_xdp"] += 1
            return "XDP_TX", "REASON_RESET_ANSWER", None
        if way == "discard":
            count["in_rsts_disc_flow"] += 1
            return "XDP_DROP", "REASON_RESET_FLOW", frame
        vlan = self._vlan_to(flow.server) if way == "divert" else None
        if vlan is None:
            flow.up += 1
            return up
        count["total_bypassed_pkts"] += 1
        flow.bypassed += 1
        after = to_server(frame, packet, flow.server.macs, vlan, self.settings.decrement_ttl)
        return "XDP_REDIRECT" if self.settings.redirect else "XDP_TX", "REASON_FAST_PATH", after

    def _decide(self, flow: Flow, packet: Packet) -> str:
        """The table of docs/fastpath.md, down to the sample; those that go up are noted."""
        count = self._counts
        silence = self._seconds(flow.heard)
        flow.heard = self.ticks
        flags = packet.tcp_flags if packet.proto == _TCP else 0
        if flags & RST:
            count["lru_deletion_RST"] += 1
            self.flows.end(flow)
            return "up"
        if flags & SYN:
            flow.begin_anew()
        elif flow.is_reset:
            return self._answer_or_discard(flow, flags, silence)
        elif flags & FIN and flow.fins < _FINS_UP:
            flow.fins += 1
        elif silence > self.settings.inactive_seconds:
            count["inactivity_timeout"] += 1
            flow.unconfirmed = _SAMPLES_LOST
        elif flow.unconfirmed >= _SAMPLES_LOST:
            count["unconfirmed"] += 1
        elif flow.young:
            flow.young -= 1
        elif self._seconds(flow.went_up) >= self.settings.sample_seconds / (4 if flow.fins else 1):
            flow.unconfirmed += 1
        else:
            return "divert"
        flow.went_up = self.ticks
        return "up"

    def _answer_or_discard(self, flow: Flow, flags: int, silence: float) -> str:
        if silence >= _ANSWER_SILENCE:
            flow.answers = flow.resets = 0
        soon = flow.answers and self.nanoseconds - flow.answered < _ANSWER_PAUSE
        if not flags & ACK or flow.answers >= _ANSWERS or soon:
            return "discard"
        flow.answers += 1
        flow.answered = self.nanoseconds
        return "answer"

    def _vlan_to(self, server: Server) -> int | None:
        """The VLAN in which a packet goes to the server; None: it has to go by IPVS."""
        count, settings = self._counts, self.settings
        vlan = server.vlan
        if settings.vlan != VLAN_AS_LEARNED:
            other_nic = server.port != PORT and not settings.redirect
            if server.vlan != settings.vlan and not (server.vlan == 0 and other_nic):
                count["vlan_conflicts"] += 1
                return None
            vlan = settings.vlan
        elif server.port != PORT and not settings.redirect:
            count["unknown_interface"] += 1
            return None
        if settings.redirect and server.port not in self.ports:
            count["unknown_interface"] += 1
            return None
        return vlan

    # A packet goes out.

    def leave(
        self, frame: bytes, *, forwarded: bool, from_ipvs: bool, port: int = PORT, vlan: int = 0
    ) -> Decision:
        """By an interface: its NIC, and its VLAN. from_ipvs: it has a mark, or this host would not route it."""
        self._counts = Counter(total_pkts_tc_tx=1)
        reason, packet = _parsed(frame)
        is_dropped = False
        if self._may_have_flow(reason, packet):
            tags = [vlan] * (vlan != 0) + [tci & 0xFFF for _, tci in packet.vlan]
            if forwarded:
                server = Server(frame[:12], port, tags[0] if tags else 0) if len(tags) < 2 else None
                self._to_server(_id_of(packet), packet, server, from_ipvs)
            elif packet.proto == _TCP and packet.tcp_flags & RST:
                is_dropped = self._reset(_id_of(packet, to_client=True))
        return Decision("TC_ACT_SHOT" if is_dropped else "TC_ACT_UNSPEC", "", dict(self._counts), frame)

    def _may_have_flow(self, reason: str, packet: Packet) -> bool:
        if reason != "REASON_NONE" or packet.fragment or packet.options or packet.evil:
            return False
        return packet.proto == _TCP or (packet.proto == _UDP and self.settings.udp)

    def _to_server(self, id_: FlowId, packet: Packet, server: Server | None, from_ipvs: bool) -> None:
        """server: None if no packet of ours could follow."""
        count = self._counts
        flags = packet.tcp_flags if packet.proto == _TCP else 0
        flow = self.flows.find(id_)
        if flow and flags & RST:
            count["lru_deletion_RST"] += 1
            self.flows.end(flow)
        elif flow and server:
            if flags & SYN:
                count["lru_reuse_syns"] += 1
                flow.begin_anew()
            else:
                count["lru_reuse_nonsyns"] += 1
                flow.is_reset = False
            flow.unconfirmed = 0
            flow.confirmed = self.ticks
            count["server_changes"] += flow.server != server
            flow.server = server
            self._counts = +count
        else:
            if flow:
                self.flows.end(flow)
            self._unknown_to_server(id_, flags, server, from_ipvs)

    def _unknown_to_server(self, id_: FlowId, flags: int, server: Server | None, from_ipvs: bool) -> None:
        is_multicast = id_.vip[0] >= 0xE0 if len(id_.vip) == 4 else id_.vip[0] == 0xFF
        if flags & SYN:
            self._counts["lru_miss_out_syn"] += 1
        elif flags & (RST | FIN) or not server or not from_ipvs or id_.vip in self.local or is_multicast:
            self._counts["lru_miss_out_nonsyn"] += 1
        else:
            self._counts["lru_alloc_nonsyns"] += 1
            self.flows.learn(id_, server, self.ticks)

    def _reset(self, id_: FlowId) -> bool:
        """This host's stack sends a RST; returns whether it is dropped."""
        count, settings = self._counts, self.settings
        flow = self.flows.find(id_)
        is_over = False
        if not flow:
            count["out_rsts_unknown"] += 1
        else:
            if not flow.is_reset:
                flow.is_reset, flow.answers = True, 0
                count["lru_deletion_out_RST"] += 1
                if self._seconds(flow.went_up) < settings.sample_seconds + 1:
                    count["unexpected_ipvs_rsts"] += 1
            if flow.resets >= _RESETS_A_FLOW:
                count["out_rsts_disc_flow"] += 1
                is_over = True
            else:
                flow.resets += 1
        if not is_over and not self.resets.take(settings, self.ticks, TICKS_A_SECOND):
            count["out_rsts_disc_rate"] += 1
            is_over = True
        if is_over and settings.limit_rates and not settings.monitor:
            return True
        count["out_rsts_sent_tc"] += 1
        return False


def _id_of(packet: Packet, *, to_client: bool = False) -> FlowId:
    if to_client:
        return FlowId(packet.daddr, packet.saddr, packet.dport, packet.sport, packet.proto)
    return FlowId(packet.saddr, packet.daddr, packet.sport, packet.dport, packet.proto)


def _has_sack(tcp: bytes) -> bool:
    """Blocks of RFC 2018 behind two NOPs, first of all options or behind timestamps and two NOPs."""
    return any(tcp[at : at + 3] == b"\1\1\5" and len(tcp) >= at + 4 for at in (20, 32))
