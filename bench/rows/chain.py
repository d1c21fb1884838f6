"""What a packet costs: in a root array, empty or with subprograms that pass, in the exit, in the parser."""

from collections.abc import Callable
from contextlib import ExitStack

from bench.harness import Row
from bench.testrun import compiled, load_chain, load_program, timed
from ecbpf.kernel.uapi import XDP_DROP, XDP_PASS

__all__ = ["ROWS"]

_EMPTY_LIMIT, _PASS_LIMIT = 8, 4
_SLOTS = 8


def _bare(name: str, program: str = "", packet: str = "ipv4-udp") -> Callable[[ExitStack], Callable[[], float]]:
    return lambda stack: timed(load_program(stack, compiled(name), program), packet, verdict=XDP_PASS)


def _chain(passing: int = 0, packet: str = "ipv4-udp") -> Callable[[ExitStack], Callable[[], float]]:
    def setup(stack: ExitStack) -> Callable[[], float]:
        return timed(load_chain(stack, dict.fromkeys(range(passing), compiled("pass"))), packet, verdict=XDP_PASS)

    return setup


def _dropping(stack: ExitStack) -> Callable[[], float]:
    return timed(load_chain(stack, {0: compiled("drop")}), "ipv4-udp", verdict=XDP_DROP)


def _empty(packet: str, what: str) -> Row:
    setup = _chain(packet=packet)
    return Row("chain", f"empty-{packet}", f"root, 8 empty slots: {what}", setup, "floor", limit=_EMPTY_LIMIT)


def _passing(count: int) -> Row:
    what = f"each of {count} passing subprograms" if count > 1 else "one passing subprogram"
    return Row("chain", f"pass-{count}", what, _chain(count), "empty-ipv4-udp", share=count, limit=_PASS_LIMIT)


def _parse(packet: str) -> Row:
    setup = _bare("probes", "xdp_parse", packet)
    return Row("chain", f"parse-{packet}", "packet_parse() alone, all fields read after it", setup, "floor")


ROWS = [
    Row("chain", "floor", "a bare `return XDP_PASS`", _bare("floor")),
    _empty("ipv4-udp", "60 bytes"),
    _empty("vlan-ipv4-udp", "one VLAN tag"),
    _empty("ipv6-tcp", "no extension headers"),
    _empty("arp", "not IP, passed by the root itself"),
    Row(
        "chain",
        "by-variable-index",
        "the same walk in a loop, by a variable index",
        _bare("peers", "xdp_walk_by_index"),
        "floor",
        peer_of="empty-ipv4-udp",
    ),
    *(_passing(count) for count in range(1, _SLOTS + 1)),
    Row("chain", "drop-0", "root, a dropping subprogram in slot 0", _dropping, "floor"),
    Row("chain", "exit", "chain_end() alone: count, sample, capture", _bare("probes", "xdp_exit"), "floor"),
    Row(
        "chain",
        "exit-random",
        "the same, with one random number per packet for the sample",
        _bare("peers", "xdp_exit_random"),
        "floor",
        peer_of="exit",
    ),
    *(_parse(name) for name in ("ipv4-udp", "ipv4-tcp", "qinq-ipv4-udp", "ipv6-tcp", "ipv6-2ext-tcp")),
]
