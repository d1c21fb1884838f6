"""The fast path's flows and the table that holds them, as docs/fastpath.md has them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["FIRST_PACKETS", "WAYS", "Flow", "FlowId", "FlowTable", "Position", "Server"]

WAYS = 8
FIRST_PACKETS = 10


class FlowId(NamedTuple):
    """As a packet of the client has it; addresses packed."""

    client: bytes
    vip: bytes
    client_port: int
    vip_port: int
    proto: int = 6


class Server(NamedTuple):
    """Where IPVS sends packets. macs: the server's and ours; vlan: 0 if there is no tag."""

    macs: bytes
    port: int
    vlan: int


class Position(NamedTuple):
    """Of a flow: in which set it has to be, and what it is called there."""

    set: int
    tag: int


@dataclass(slots=True)
class Flow:
    """An entry. Times are ticks, `answered` nanoseconds."""

    id: FlowId
    tag: int
    server: Server
    learned: int
    confirmed: int
    went_up: int
    heard: int
    young: int = FIRST_PACKETS - 1  # packets that still go up because it is
    fins: int = 0
    unconfirmed: int = 0
    is_reset: bool = False
    resets: int = 0
    answers: int = 0
    answered: int = 0
    bypassed: int = 0
    up: int = 1

    def begin_anew(self) -> None:
        """A SYN."""
        self.young = FIRST_PACKETS
        self.fins = self.unconfirmed = self.resets = self.answers = 0
        self.is_reset = False


class FlowTable:
    """Sets of eight places.

    Of several free places, or flows that are silent equally long, the first one is taken.
    """

    def __init__(self, position: Callable[[FlowId], Position]) -> None:
        """position: where a flow has to be, which is the implementation's to say."""
        self._place = position
        self._sets: dict[int, list[Flow | None]] = {}

    def places(self, index: int) -> list[Flow | None]:
        """Those of a set."""
        return self._sets.get(index) or [None] * WAYS

    def __iter__(self) -> Iterator[Flow]:
        for each in self._sets.values():
            yield from (flow for flow in each if flow)

    def find(self, id_: FlowId) -> Flow | None:
        """The entry of a flow, if it is known."""
        for flow in self.places(self._place(id_).set):
            if flow and flow.id == id_:
                return flow
        return None

    def end(self, flow: Flow) -> None:
        """Forget a flow."""
        places = self._sets[self._place(flow.id).set]
        places[places.index(flow)] = None

    def learn(self, id_: FlowId, server: Server, now: int) -> Flow:
        """Enter a flow that is not known."""
        index, tag = self._place(id_)
        places = self._sets.setdefault(index, [None] * WAYS)
        way = self._way(places, tag)
        new = places[way] = Flow(id_, tag, server, now, now, now, now)
        return new

    @staticmethod
    def _way(places: list[Flow | None], tag: int) -> int:
        """No two of a set are called alike; else a free position; else that of the flow silent longest."""
        for way, flow in enumerate(places):
            if flow and flow.tag == tag:
                return way
        if None in places:
            return places.index(None)
        return min(range(WAYS), key=lambda way: places[way].heard)  # type: ignore[union-attr]
