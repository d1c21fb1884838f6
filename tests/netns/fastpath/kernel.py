"""The fast path in the kernel, attached nowhere: frames in at either end; verdict, reason, counts, frame out.

That IPVS sent a packet is made by running the program at tc on it: forwarded, with a firewall mark.
"""

from __future__ import annotations

import ctypes
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, NamedTuple, Self

import numpy as np

from ecbpf.chain.occupant import kernel_name
from ecbpf.kernel import Object, Program
from ecbpf.kernel.libbpf import TestRunOptions, lib, options
from ecbpf.kernel.values import possible_cpus
from ecbpf.netdev.addresses import mapped
from ecbpf.paths import object_path
from tests.oracle.fastpath import PORT, TICKS_A_SECOND
from tests.oracle.fastpath_flows import WAYS, FlowId, Position
from tests.oracle.fastpath_packets import NIC_MAC
from tests.oracle.fastpath_settings import Settings
from tests.support.objects import Build

__all__ = [
    "DROPPED",
    "LET_BY",
    "Bare",
    "Entry",
    "Fastpath",
    "Outcome",
    "Runner",
    "key_of",
    "places_of",
    "sk_buff",
    "words_of",
]

VERDICTS = {0: "XDP_ABORTED", 1: "XDP_DROP", 2: "XDP_PASS", 3: "XDP_TX", 4: "XDP_REDIRECT"}
LET_BY, DROPPED = "TC_ACT_UNSPEC", "TC_ACT_SHOT"
_AT_TC = {0xFFFFFFFF: LET_BY, 2: DROPPED}
_SECTIONS = {".data.settings", ".data.director", ".data.clock"}
_FORWARDED_BY = 1  # any ifindex
_ROOM = 64 * 1024
# struct __sk_buff, in words
_MARK, _INGRESS_IFINDEX, _WORDS = 2, 9, 48


class Outcome(NamedTuple):
    """What became of one packet. counters: each that moved, with how far; frame: as it is afterwards."""

    verdict: str
    reason: str
    counters: dict[str, int]
    frame: bytes


class Entry(NamedTuple):
    """Of a flow: the set that it is in, which position of it, and `struct flow` there."""

    set: Any
    way: int
    flow: Any


class Runner:
    """Runs a program on frames, a system call and 2 microseconds each."""

    def __init__(self, program: Program, context: Any = None) -> None:
        """context: a ctypes array that the program gets as struct __sk_buff; change it as you like."""
        self.program = program
        self.context = context
        self._fd = program.fd
        self._frame = ctypes.create_string_buffer(_ROOM)
        self._after = ctypes.create_string_buffer(_ROOM)
        self._frame_bytes, self._after_bytes = (memoryview(each).cast("B") for each in (self._frame, self._after))
        self._run = options(
            TestRunOptions, data_in=ctypes.addressof(self._frame), data_out=ctypes.addressof(self._after)
        )
        if context is not None:
            self._run.ctx_in, self._run.ctx_size_in = ctypes.addressof(context), ctypes.sizeof(context)
        self._pointer = ctypes.byref(self._run)

    def run(self, frame: bytes) -> int:
        """One packet; returns what the program did."""
        run, size = self._run, len(frame)
        self._frame_bytes[:size] = frame
        run.data_size_in, run.data_size_out = size, _ROOM
        lib.bpf_prog_test_run_opts(self._fd, self._pointer)
        result: int = run.retval
        return result

    def frame_after(self) -> bytes:
        """The last packet as the program left it."""
        return bytes(self._after_bytes[: self._run.data_size_out])


def sk_buff(mark: int = 0, came_by: int = 0) -> Any:
    """A context for a program at tc. came_by: as Fastpath.leave() has it."""
    words = (ctypes.c_uint32 * _WORDS)()
    words[_MARK], words[_INGRESS_IFINDEX] = mark, came_by
    return words


class Bare:
    """Ingress, and egress for one or more interfaces, that share their maps."""

    def __init__(
        self,
        ingress: str = "",
        egress: str = "",
        *,
        sets: int = 1024,
        ticks_a_second: int = TICKS_A_SECOND,
        port: int = PORT,
        vlan: int = 0,
        frags: bool = False,
    ) -> None:
        """ingress, egress: objects, if not those that are installed. port, vlan: where egress is."""
        self.sets = sets
        self._ticks_a_second = ticks_a_second
        self._egress_path = egress or object_path("fastpath_egress")
        self.shared: dict[str, Any] = {}
        self.egress = self._load_egress(port, vlan)
        self._objects = [self.egress]
        self.ingress = Object.open(ingress or object_path("fastpath_ingress"))
        self._share(self.ingress)
        self.ingress.globals.chain_slot = 7
        self.ingress.globals.nic = (NIC_MAC, 0, PORT)
        if frags:
            self.ingress.globals.chain_frags = 1
        self.ingress.load(frags=frags)
        self._objects.append(self.ingress)
        self.xdp = self.ingress.programs["xdp_fastpath_prog"]
        self.tc = self.egress.programs["tc_fastpath_prog"]
        self.flows, self.local = self.shared["fastpath_flows"], self.shared["fastpath_local"]
        self.cpus = self.shared["fastpath_cpus"]
        counters = self.egress.btf.enum("fastpath_counter")
        del counters["FASTPATH_COUNTERS"]
        self.counter_names = [
            name.removeprefix("FASTPATH_") for name in sorted(counters, key=counters.__getitem__)
        ]
        self.table = self.flows.memory()
        self._set_type = self.egress.btf.struct("flow_set")
        self.position = positions_of(self.globals.hash_seed, sets)

    def _load_egress(self, port: int, vlan: int) -> Object:
        new = Object.open(self._egress_path)
        if self.shared:
            self._share(new)
        else:
            new.resize_map("fastpath_flows", self.sets)
            new.globals.flow_sets = self.sets
            new.globals.ticks_a_second = self._ticks_a_second
        new.globals.egress_ifindex, new.globals.egress_vlan = port, vlan
        new.load()
        for name, each in new.maps.items():
            if _short(name) in _SECTIONS or _short(name).startswith("fastpath_"):
                self.shared.setdefault(_short(name), each)
        return new

    def _share(self, other: Object) -> None:
        for name in other.map_names:
            existing = self.shared.get(_short(name))
            if existing is not None:
                other.share_map(name, existing)
        other.globals.flow_sets = self.sets
        other.globals.ticks_a_second = self._ticks_a_second

    def egress_at(self, port: int, vlan: int = 0) -> Program:
        """Egress for another interface."""
        self._objects.append(self._load_egress(port, vlan))
        return self._objects[-1].programs["tc_fastpath_prog"]

    @property
    def globals(self) -> Any:
        """Settings, and the test's clock if there is one."""
        return self.egress.globals

    def set(self, settings: Settings) -> None:
        """Change all settings."""
        for name, value in asdict(settings).items():
            setattr(self.globals, name, value)

    def set_local(self, addresses: Iterable[bytes]) -> None:
        """Say which addresses are this host's own or excluded, packed."""
        for key in list(self.local.keys()):
            self.local.delete(bytes(key))
        for address in addresses:
            self.local[mapped(ipaddress.ip_address(address))] = 1
        self.globals.address_generation += 1

    def clear(self) -> None:
        """Forget all flows, counts and what the limits remember."""
        self.table[:] = bytes(len(self.table))
        self.cpus[0] = bytes(self.cpus.info.value_size)

    def flow_set(self, index: int) -> Any:
        """A set of the table as the C has it, live."""
        return self._set_type.from_buffer(self.table, index * self.flows.info.value_size)

    def find(self, flow: FlowId) -> Entry | None:
        """The entry of a flow, live, if it is known."""
        position = self.position(flow)
        set_ = self.flow_set(position.set)
        for way, tag in enumerate(set_.tag):
            if tag == position.tag and bytes(set_.flow[way].key) == key_of(flow):
                return Entry(set_, way, set_.flow[way])
        return None

    def tags(self) -> Any:
        """The tags of all places, as an array of sets by places; 0: free."""
        words = np.frombuffer(self.table, np.uint32)[: self.sets * self.flows.info.value_size // 4]
        return words.reshape(self.sets, -1)[:, :WAYS].copy()

    def close(self) -> None:
        """Let the programs go."""
        for each in self._objects:
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _short(name: str) -> str:
    """A map's name in all objects alike: that of a section begins with the object's."""
    return kernel_name(name) if "." in name else name


class Fastpath(Bare):
    """One whose time is what a test says, and that shows what it did with each packet."""

    def __init__(self, build: Build, *, sets: int = 1024, frags: bool = False) -> None:
        """build: compiles a test's program."""
        super().__init__(build("fastpath/ingress_clock"), build("fastpath/egress_clock"), sets=sets, frags=frags)
        self.clock = self.globals.test_clock
        self._seen_object = seen = Object.open(build("fastpath/seen"))
        for name in ("xdp_stats", "xdp_sample", "xdp_sample_hook", "xdpcap_hook"):
            seen.share_map(name, self.ingress.maps[name])
        seen.load(frags=frags)
        self._objects.append(seen)
        self._sample_all()
        self.seen = seen.globals.seen
        self.reasons = {number: name for name, number in self.ingress.btf.enum("reason").items()}
        self._in = Runner(self.xdp)
        self._out = {(PORT, 0): self._runner(self.tc)}
        self._counts_room = ctypes.create_string_buffer(self.cpus.info.value_size * possible_cpus())
        self._zero = ctypes.c_uint32(0)
        self._before = self._counts()

    def _sample_all(self) -> None:
        self.ingress.maps["xdp_sample_hook"][0] = self._seen_object.programs["xdp_seen_prog"]
        stats = self.ingress.maps["xdp_stats"]
        rows = stats[7]
        for each in rows:
            each.countdown = 1
        stats[7] = rows

    @staticmethod
    def _runner(program: Program) -> Runner:
        return Runner(program, sk_buff())

    def add_egress(self, port: int, vlan: int = 0) -> None:
        """Let IPVS send by another interface."""
        self._out[port, vlan] = self._runner(self.egress_at(port, vlan))

    def at(self, seconds: float) -> None:
        """Let this be the time."""
        self.clock.ticks = round(seconds * self._ticks_a_second)
        self.clock.nanoseconds = round(seconds * 10**9)

    def clear(self) -> None:
        """As Bare.clear()."""
        super().clear()
        self._before = self._counts()

    def _counts(self) -> Any:
        """Of all CPUs together."""
        room = self._counts_room
        lib.bpf_map_lookup_elem(self.cpus.fd, ctypes.byref(self._zero), room)
        words = np.frombuffer(memoryview(room).cast("B"), np.uint64).reshape(possible_cpus(), -1)[
            :, : len(self.counter_names)
        ]
        return words.sum(0)

    def moved(self) -> dict[str, int]:
        """The counters that have moved since the last packet."""
        now = self._counts()
        moved = (now - self._before).tolist()
        self._before = now
        return {name: each for name, each in zip(self.counter_names, moved, strict=True) if each}

    def enter(self, frame: bytes) -> Outcome:
        """A packet comes in by the NIC."""
        verdict = VERDICTS[self._in.run(frame)]
        seen = self.seen
        assert VERDICTS[seen.verdict] == verdict
        return Outcome(verdict, self.reasons[seen.reason], self.moved(), self._in.frame_after())

    def leave(
        self,
        frame: bytes,
        *,
        port: int = PORT,
        vlan: int = 0,
        mark: int = 1,
        came_by: int = _FORWARDED_BY,
    ) -> Outcome:
        """A packet goes out. came_by: the ifindex it came in by; 0: it is this host's own."""
        runner = self._out[port, vlan]
        context = runner.context
        context[_MARK], context[_INGRESS_IFINDEX] = mark, came_by
        verdict = _AT_TC[runner.run(frame)]
        return Outcome(verdict, "", self.moved(), runner.frame_after())


def key_of(flow: FlowId) -> bytes:
    """struct flow_key of a flow."""
    ports = flow.client_port.to_bytes(2, "big") + flow.vip_port.to_bytes(2, "big")
    version = 4 if len(flow.client) == 4 else 6
    return flow.client.ljust(16, b"\0") + flow.vip.ljust(16, b"\0") + ports + bytes((version, flow.proto))


def hashes(keys: Any, seed: int, is_ip4: bool) -> Any:
    """flow_hash() of many keys, an array of struct flow_key as five words of 64 bits each."""
    hash_ = np.full(len(keys), seed, np.uint64)
    words = [keys[:, 0] | keys[:, 2] << np.uint64(32)] if is_ip4 else [keys[:, i] for i in range(4)]
    for word in (*words, keys[:, 4], np.uint64(0)):
        hash_ = (hash_ ^ word) * np.uint64(0x9E3779B97F4A7C15)
        hash_ ^= hash_ >> np.uint64(32)
    return hash_


def words_of(flow: FlowId) -> Any:
    """union flow_id, as words."""
    return np.frombuffer(key_of(flow).ljust(40, b"\0"), np.uint64)


def places_of(keys: Any, seed: int, sets: int, is_ip4: bool) -> tuple[Any, Any]:
    """The indices of sets and the tags of many keys."""
    hash_ = hashes(keys, seed, is_ip4)
    tags = hash_ & np.uint64(0xFFFFFFFF)
    index = (hash_ >> np.uint64(32)) * np.uint64(sets) >> np.uint64(32)
    return index, np.where(tags == 0, np.uint64(1), tags)


def positions_of(seed: int, sets: int) -> Callable[[FlowId], Position]:
    """Where the kernel puts flows: an implementation's choice, which the oracle takes from here."""
    known: dict[FlowId, Position] = {}

    def position(flow: FlowId) -> Position:
        if flow not in known:
            index, tag = places_of(words_of(flow).reshape(1, 5), seed, sets, len(flow.client) == 4)
            known[flow] = Position(int(index[0]), int(tag[0]))
        return known[flow]

    return position
