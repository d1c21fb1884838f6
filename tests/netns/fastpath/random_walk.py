"""Random steps of a director's life: packets in and out, time, servers that change, settings, addresses.

Each step is done in the kernel and in the model; the first that they see differently is an AssertionError. The
source of chance is a random.Random, which Hypothesis can also be.
"""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

from tests.netns.fastpath.director import ROUTED, VIP
from tests.netns.fastpath.kernel import Fastpath, Outcome, key_of
from tests.netns.fastpath.state import OTHER_PORT, prepare
from tests.oracle.fastpath import PORT, TICKS_A_SECOND, Decision, Model
from tests.oracle.fastpath_flows import Flow, FlowId
from tests.oracle.fastpath_frames import answer_faults
from tests.oracle.fastpath_packets import ACK, FIN, NIC_MAC, OUR_MAC, PSH, ROUTER_MAC, RST, SYN, frame_of
from tests.oracle.fastpath_settings import VLAN_AS_LEARNED, Settings

__all__ = ["EGRESS", "SETS", "Walk"]

SETS = 2
EGRESS = ((PORT, 0), (OTHER_PORT, 0), (PORT, 100))
_SERVERS = [bytes((2, 0, 0, 0, 0, last)) + OUR_MAC for last in (0x0B, 0x0C, 0x0D)]
_IN_TAGS = (b"", b"", b"", b"", b"\x81\0\xb0\x05", b"\x88\xa8\0\x64", b"\x81\0\0\x05\x81\0\0\x06")
_OUT_TAGS = (b"", b"", b"", b"", b"", b"\x81\0\x60\x64", b"\x81\0\0\x05", b"\x88\xa8\0\x05\x81\0\0\x06")
_FLAGS = (*[ACK] * 20, PSH | ACK, PSH | ACK, FIN | ACK, FIN | ACK, SYN, RST, RST | ACK, 0, FIN, SYN | FIN)
# Jumps to about the boundaries that settings and the rules have, in seconds.
_PAUSES = (0.001, 0.004, 0.01, 0.011, 0.124, 0.25, 0.251, 0.5, 0.999, 1, 1.001, 2, 3, 5, 9.999, 10, 10.001, 61)
_MOMENTS = (1000, 2**32 / TICKS_A_SECOND - 60, 2**31 / TICKS_A_SECOND - 60)
_SACK = b"\1\1\5\x0a" + bytes(8)


def _flows() -> list[FlowId]:
    """Several times as many as there are places; some have all but one thing in common."""
    made = []
    for family in (4, 6):
        head = bytes((198, 51, 100)) if family == 4 else b"\x20\x01\x0d\xb8" + bytes(11)
        for number in range(14):
            vip = (VIP if number % 3 else ROUTED)[family]
            client = head + bytes((number % 4,))
            made.append(FlowId(client, vip, 40000 + number // 4, 443 - number % 2, 17 if number == 5 else 6))
    return made


class Walk:
    """One life. `seen` counts what happened, by what the kernel decided."""

    def __init__(self, fastpath: Fastpath, came_by: int, rng: Random) -> None:
        self.fastpath = fastpath
        self.came_by = came_by
        self.rng = rng
        self.flows = _flows()
        self.seen: Counter[str] = Counter()
        self.model: Model = prepare(fastpath, Settings(), rng.choice(_MOMENTS))
        self.done: list[str] = []
        for _ in range(4):
            self.set()

    def run(self, steps: int) -> None:
        """So many steps; the table is compared now and then."""
        for number in range(steps):
            self.step()
            if number % 64 == 63:
                self.compare_tables()
        self.compare_tables()

    def step(self) -> None:
        rng = self.rng
        kind = rng.randrange(100)
        if kind < 40:
            self.enter(rng.choice(self.flows), rng.choice((1, 1, 1, 3, 12)))
        elif kind < 68:
            self.leave(rng.choice(self.flows))
        elif kind < 76:
            self.leave_by_host(rng.choice(self.flows))
        elif kind < 96:
            self.wait()
        elif kind < 99:
            self.set()
        else:
            self.move_addresses()

    def enter(self, flow: FlowId, times: int) -> None:
        """A client sends; several times the same."""
        rng = self.rng
        more: dict[str, Any] = {"ttl": rng.choice((64, 64, 64, 64, 64, 2, 255, 1))}
        if not rng.randrange(30):
            more["macs"] = rng.choice((b"\xff" * 6, b"\2\0\0\0\0\x0f", b"\1\0\x5e\0\0\1")) + ROUTER_MAC
        if not rng.randrange(20):
            more["tcp_options"] = _SACK
        if not rng.randrange(30):
            more["data_offset"] = rng.choice((0, 4, 6, 15))
        if len(flow.client) == 4 and not rng.randrange(15):
            fragment = {"fragment": rng.choice((1, 0x2000, 0x4000, 0x8000))}
            more |= rng.choice(({"ip_options": b"\1\1\1\0"}, fragment))
        more["payload"] = bytes(rng.choice((0, 0, 6, 7, 30, 200)))
        more |= {"tos": rng.choice((0, 0xB9)), "ack": rng.getrandbits(32), "seq": rng.getrandbits(32)}
        flags = rng.choice(_FLAGS) if times == 1 else ACK
        frame = frame_of(flow, flags, tags=rng.choice(_IN_TAGS), **more)
        if not rng.randrange(40):
            frame = frame[: rng.randrange(14, len(frame) + 1)] + bytes(rng.choice((0, 0, 20)))
        for _ in range(times):
            outcome = self.fastpath.enter(frame)
            drawn = "lru_miss_in_limited" in outcome.counters
            self._compare(f"in {frame.hex()}", frame, outcome, self.model.enter(frame, drawn=drawn))

    def leave(self, flow: FlowId) -> None:
        """IPVS sends, or the host routes: a firewall mark is what tells, unless the VIP is the host's."""
        rng = self.rng
        port, vlan = rng.choice((EGRESS[0], EGRESS[0], *EGRESS))
        mark = rng.randrange(2)
        position = self.fastpath.position(flow)
        server = _SERVERS[position.tag % 3] if rng.randrange(8) else rng.choice(_SERVERS)
        frame = frame_of(flow, rng.choice(_FLAGS), macs=server, tags=rng.choice(_OUT_TAGS))
        outcome = self.fastpath.leave(frame, port=port, vlan=vlan, mark=mark, came_by=self.came_by)
        from_ipvs = mark != 0 or flow.vip in VIP.values()
        decision = self.model.leave(frame, forwarded=True, from_ipvs=from_ipvs, port=port, vlan=vlan)
        self._compare(f"out {frame.hex()} mark {mark} at {port} {vlan}", frame, outcome, decision)

    def leave_by_host(self, flow: FlowId) -> None:
        """This host's stack sends to the client."""
        flags = self.rng.choice((RST, RST, RST | ACK, ACK))
        frame = frame_of(flow, flags, macs=ROUTER_MAC + NIC_MAC, to_client=True)
        outcome = self.fastpath.leave(frame, mark=0, came_by=0)
        self._compare(
            f"own {frame.hex()}", frame, outcome, self.model.leave(frame, forwarded=False, from_ipvs=False)
        )

    def wait(self) -> None:
        rng = self.rng
        ticks = round(rng.choice(_PAUSES) * TICKS_A_SECOND) if rng.randrange(3) else rng.randrange(30)
        fine = rng.choice((0, 0, 1, -1)) if ticks else 0
        self.model.ticks += ticks
        self.model.nanoseconds += ticks * 10**6 + fine
        self.fastpath.clock.ticks, self.fastpath.clock.nanoseconds = self.model.ticks, self.model.nanoseconds
        self.done.append(f"{ticks} ticks")

    def set(self) -> None:
        """Another setting, or the defaults."""
        rng = self.rng
        choices: dict[str, tuple[Any, ...]] = {
            "monitor": (True, False, False, False),
            "limit_rates": (True, False),
            "redirect": (True, False),
            "decrement_ttl": (True, False),
            "udp": (True, True, False),
            "vlan": (VLAN_AS_LEARNED, VLAN_AS_LEARNED, 100, 5),
            "inactive_seconds": (1, 10, 60),
            "sample_seconds": (1, 2, 5),
            "rps_cpus": (1, 3),
            "max_resets_pps": (0, 3, 8, 50, 4000),
            "inbound_pps": (1, 100, 1000, 8_000_000),
            "inbound_spike": (0, 5),
            "inbound_max": (50, 500),
            "wrap_packets": (1, 8, 4096),
            "rx_cpus": (1, 2),
        }
        name = rng.choice(list(choices))
        self.model.settings = replace(self.model.settings, **{name: rng.choice(choices[name])})
        self.fastpath.set(self.model.settings)
        self.done.append(str(self.model.settings))

    def move_addresses(self) -> None:
        vips = sorted({flow.vip for flow in self.flows})
        local = self.rng.choice(([], [], [], vips[:1], vips[1:2], vips[2:3], vips[3:]))
        self.model.local = frozenset(local)
        self.fastpath.set_local(local)
        self.done.append(f"local {local}")

    def _compare(self, what: str, frame: bytes, outcome: Outcome, decision: Decision) -> None:
        self.done.append(what)
        del self.done[:-100]
        if decision.frame is None:
            right = outcome[:3] == decision[:3] and not answer_faults(frame, outcome.frame)
        else:
            right = tuple(outcome) == tuple(decision)
        if not right:
            raise AssertionError("\n".join((*self.done[-12:], f"kernel {outcome}", f"model {decision}")))
        self.seen[f"{outcome.verdict} {outcome.reason}"] += 1
        self.seen.update(outcome.counters.keys())

    def compare_tables(self) -> None:
        """Entry by entry, member by member."""
        for index in range(self.fastpath.sets):
            set_ = self.fastpath.flow_set(index)
            for way, flow in enumerate(self.model.flows.places(index)):
                kernel = _entry(set_, way)
                model = _entry_of(flow) if flow else None
                said = (*self.done, f"set {index}, position {way}", f"kernel {kernel}", f"model {model}")
                assert kernel == model, "\n".join(said)
                self.seen["places held" if flow else "places free"] += 1


def _entry(set_: Any, way: int) -> dict[str, Any] | None:
    if set_.tag[way] == 0:
        return None
    flow = set_.flow[way]
    names = ("ifindex", "vlan", "first", "fins", "unconfirmed", "is_reset", "resets", "answers", "bypassed", "up")
    found: dict[str, Any] = {name: getattr(flow, name) for name in names}
    found |= {name: getattr(flow, name) for name in ("went_up", "learned", "confirmed")}
    if flow.answers:
        found["answered"] = flow.answered
    return found | {"seen": set_.seen[way], "tag": set_.tag[way], "id": bytes(flow.key), "macs": bytes(flow.hop)}


def _entry_of(flow: Flow) -> dict[str, Any]:
    names = ("fins", "unconfirmed", "is_reset", "resets", "answers", "bypassed", "up", "tag")
    found: dict[str, Any] = {name: getattr(flow, name) for name in names}
    found |= {name: getattr(flow, name) % 2**32 for name in ("went_up", "learned", "confirmed")}
    if flow.answers:
        found["answered"] = flow.answered
    server = flow.server
    found |= {"ifindex": server.port, "vlan": server.vlan, "macs": server.macs, "first": flow.young}
    return found | {"seen": flow.heard % 2**32, "id": key_of(flow.id)}
