"""Commands of the root array and its slots that change an interface."""

from ecbpf.chain.attach import attach, attach_nop
from ecbpf.chain.slots import put
from ecbpf.kernel.uapi import XDP_DROP
from tests.support.invariants import Room, Step
from tests.support.objects import Build
from tests.support.shell import sh
from tests.support.slots import Verdict

__all__ = ["ROOM"]


def nothing(_interface: str, _build: Build) -> None:
    pass


def a_root(interface: str, _build: Build) -> None:
    attach(interface)


def a_nop(interface: str, _build: Build) -> None:
    attach_nop(interface)


def a_filled_root(interface: str, build: Build) -> None:
    attach(interface)
    put(interface, Verdict(2, build("chain/verdicts"), XDP_DROP))


def another_program(interface: str, build: Build) -> None:
    sh(f"ip link set {interface} xdpdrv obj {build('chain/stranger')} sec xdp")


_PUT = ["attach", "IF", "--slot", "2", "--filename", "OBJECT"]

ROOM = Room(
    [
        Step("attach", nothing, ["attach", "IF"]),
        Step("attach in generic mode", nothing, ["attach", "IF", "--generic"]),
        Step("attach nop", nothing, ["attach", "IF", "--nop"]),
        Step("attach over nop", a_nop, ["attach", "IF"]),
        Step("attach by force", another_program, ["attach", "IF", "--force"]),
        Step("replace the root", a_filled_root, ["attach", "IF"], pins=False),
        Step("replace the root by nop", a_filled_root, ["attach", "IF", "--nop"], pins=False),
        Step("detach", a_filled_root, ["detach", "IF"], pins=False),
        Step("put", a_root, _PUT),
        Step("replace in a slot", a_filled_root, _PUT),
        Step("empty a slot", a_filled_root, ["detach", "IF", "--slot", "2"], pins=False),
    ]
)
