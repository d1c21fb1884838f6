"""Bring the fast path in the kernel and its model into the same state: a flow that is known, settings, time."""

from typing import Any

from tests.netns.fastpath.kernel import Entry, Fastpath
from tests.oracle.fastpath import PORT, TICKS_A_SECOND, Model
from tests.oracle.fastpath_flows import FlowId, Server
from tests.oracle.fastpath_packets import OUR_MAC, SERVER_MAC, frame_of
from tests.oracle.fastpath_settings import Settings

__all__ = ["MACS", "MOMENTS", "OTHER_PORT", "member", "prepare", "put"]

# Some time; where ticks of 32 bits begin anew; where they would turn negative.
MOMENTS = (100_000.0, 2**32 / TICKS_A_SECOND + 0.004, 2**31 / TICKS_A_SECOND + 0.004)
MACS = SERVER_MAC + OUR_MAC
OTHER_PORT = PORT + 1


def prepare(fastpath: Fastpath, settings: Settings, now: float, *, local: tuple[bytes, ...] = ()) -> Model:
    """Forget all that was; returns a model like the kernel."""
    fastpath.clear()
    fastpath.set(settings)
    fastpath.set_local(local)
    fastpath.at(now)
    model = Model(fastpath.position, ports=(PORT, OTHER_PORT))
    model.settings, model.local = settings, frozenset(local)
    model.ticks, model.nanoseconds = fastpath.clock.ticks, fastpath.clock.nanoseconds
    return model


def put(fastpath: Fastpath, model: Model, id_: FlowId, **fields: Any) -> None:
    """Let IPVS have sent a packet a second ago, and make the entry what is wanted; ages in seconds end in _ago.

    But for that the flow has had its first packets, and was heard and last went up a tenth of a second ago.
    """
    values = {"first": 0, "heard_ago": 0.1, "went_up_ago": 0.1, "answered_ago": 1.0} | fields
    now, nanoseconds = model.ticks, model.nanoseconds
    ifindex, vlan = values.pop("ifindex", PORT), values.pop("vlan", 0)
    heard, went_up = (now - round(values.pop(f"{name}_ago") * TICKS_A_SECOND) for name in ("heard", "went_up"))
    values["answered"] = nanoseconds - round(values.pop("answered_ago") * 10**9)
    fastpath.globals.udp = True
    fastpath.set_local([])
    fastpath.clock.ticks = now - TICKS_A_SECOND
    learned = fastpath.leave(frame_of(id_, macs=MACS))
    assert learned.counters == {"total_pkts_tc_tx": 1, "lru_alloc_nonsyns": 1}
    fastpath.globals.udp = model.settings.udp
    fastpath.set_local(model.local)
    fastpath.clock.ticks = now

    entry = fastpath.find(id_)
    assert entry
    entry.flow.ifindex, entry.flow.vlan = ifindex, vlan
    entry.set.seen[entry.way] = heard % 2**32
    entry.flow.went_up = went_up % 2**32
    flow = model.flows.learn(id_, Server(MACS, ifindex, vlan), now - TICKS_A_SECOND)
    flow.heard, flow.went_up = heard, went_up
    for name, value in values.items():
        setattr(entry.flow, name, value)
        setattr(flow, "young" if name == "first" else name, value)


def member(fastpath: Fastpath, entry: Entry, name: str) -> Any:
    """A member of a flow, or how long ago that was."""
    ticks = fastpath.clock.ticks
    match name:
        case "heard_ago":
            return (ticks - entry.set.seen[entry.way]) % 2**32 / TICKS_A_SECOND
        case "answered_ago":
            return (fastpath.clock.nanoseconds - entry.flow.answered) / 10**9
        case "macs":
            return bytes(entry.flow.hop)
    if name.endswith("_ago"):
        return (ticks - getattr(entry.flow, name.removesuffix("_ago"))) % 2**32 / TICKS_A_SECOND
    return getattr(entry.flow, name)
