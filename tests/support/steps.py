"""Commands that change an interface, each with what is there before."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from ecbpf.chain.attach import attach, attach_nop, detach
from ecbpf.chain.contents import programs
from ecbpf.chain.occupant import look
from ecbpf.chain.pins import egress_folder, folder_of
from ecbpf.chain.slots import put
from ecbpf.fastpath.verbs import detach_fastpath
from ecbpf.filter.batch import batch_of
from ecbpf.filter.change import list_prefixes
from ecbpf.filter.files import lines_of
from ecbpf.filter.lists import ALLOW, DROP
from ecbpf.filter.running import find_filter
from ecbpf.filter.subprogram import SLOT, Filter
from ecbpf.kernel.uapi import XDP_DROP
from tests.netns.fastpath.steps import (
    FASTPATH_ATTACHES,
    FASTPATH_CASES,
    FASTPATH_DETACHES,
    fastpath_of,
    is_anywhere,
)
from tests.support.frames import FLOOD, FLOOD6
from tests.support.shell import sh
from tests.support.slots import Verdict

__all__ = ["CASES", "between", "command_of", "ecbpf", "state_of", "tidy"]

State = tuple[object, ...]


def state_of(interface: str) -> State:
    """What packets meet on the interface; last, what is at egress."""
    occupant = look(interface)
    if occupant is None:
        return ("nothing", *fastpath_of(interface))
    if not occupant.is_root:
        return (occupant.program.name, *fastpath_of(interface))
    slots = [program.full_name() if program else None for program in programs(occupant)]
    verdicts = [occupant.program.test_run(frame).retval for frame in (FLOOD, FLOOD6)]
    return (occupant.mode, *verdicts, *slots, *_filter_of(interface, slots[SLOT]), *fastpath_of(interface))


def _filter_of(interface: str, name: str | None) -> State:
    """What the filter lists, if one is in its slot, and how it is set."""
    if name != Filter.program:
        return ()
    running = find_filter(interface)
    lists = running.sets.read()
    return (*lines_of(lists, DROP), "allowed", *lines_of(lists, ALLOW), *running.settings.items())


def ecbpf(*words: str) -> list[str]:
    return [sys.executable, "-m", "ecbpf.cli.main", *words]


def nothing(_interface: str, _built: str) -> None:
    pass


def a_root(interface: str, _built: str) -> None:
    attach(interface)


def a_nop(interface: str, _built: str) -> None:
    attach_nop(interface)


def a_filled_root(interface: str, built: str) -> None:
    attach(interface)
    put(interface, Verdict(2, built, XDP_DROP))


def a_stranger_by_netlink(interface: str, built: str) -> None:
    sh(f"ip link set {interface} xdpdrv obj {os.path.dirname(built)}/stranger.bpf.o sec xdp")


def an_empty_filter(interface: str, _built: str) -> None:
    attach(interface)
    put(interface, Filter())


def a_filter(interface: str, built: str) -> None:
    an_empty_filter(interface, built)
    list_prefixes([interface], DROP, batch_of(["10.0.0.0/8", "2001:db8:1::/48"], ["", "a tag"], time=1))
    with open(f"{os.path.dirname(built)}/prefixes", "w", encoding="ascii") as file:
        file.write("192.0.2.0/24 ours\n2001:db8::1\n")


CASES: dict[str, tuple[Callable[[str, str], None], list[str]]] = {
    "attach": (nothing, ["attach", "IF"]),
    "attach in generic mode": (nothing, ["attach", "IF", "--generic"]),
    "attach nop": (nothing, ["attach", "IF", "--nop"]),
    "attach over nop": (a_nop, ["attach", "IF"]),
    "attach by force": (a_stranger_by_netlink, ["attach", "IF", "--force"]),
    "replace the root": (a_filled_root, ["attach", "IF"]),
    "replace the root by nop": (a_filled_root, ["attach", "IF", "--nop"]),
    "detach": (a_filled_root, ["detach", "IF"]),
    "put": (a_root, ["attach", "IF", "--slot", "2", "--filename", "OBJECT"]),
    "replace in a slot": (a_filled_root, ["attach", "IF", "--slot", "2", "--filename", "OBJECT"]),
    "attach the filter": (a_root, ["filter", "attach", "-i", "IF", "frags_drop=off"]),
    "replace the filter": (a_filter, ["filter", "attach", "-i", "IF", "frags_drop=off"]),
    "detach the filter": (a_filter, ["filter", "detach", "-i", "IF"]),
    "first drop": (an_empty_filter, ["filter", "drop", "-i", "IF", "192.0.2.1"]),
    "drop": (a_filter, ["filter", "drop", "-i", "IF", "192.0.2.1", "2001:db8::1"]),
    "allow": (a_filter, ["filter", "allow", "-i", "IF", "10.1.0.0/16", "2001:db8:1::1"]),
    "load": (a_filter, ["filter", "load", "-i", "IF", "--replace", "LIST"]),
    "empty a slot": (a_filled_root, ["detach", "IF", "--slot", "2"]),
    **FASTPATH_CASES,
}


def between(case: str, old: State, new: State) -> list[State]:
    """The states that a command of several changes may leave behind, besides: egress first, and last."""
    if case in FASTPATH_ATTACHES:
        return [(*old[:-1], new[-1])]
    if case in FASTPATH_DETACHES:
        return [(*new[:-1], old[-1])]
    return []


def command_of(case: str, interface: str, built: str) -> list[str]:
    """The command line of a case."""
    names = {"IF": interface, "OBJECT": built, "LIST": f"{os.path.dirname(built)}/prefixes"}
    return ecbpf(*(names.get(word, word) for word in CASES[case][1]))


def tidy(interface: str) -> None:
    """Back to nothing; only what has been put there by force needs it too."""
    if is_anywhere():
        detach_fastpath()
    if look(interface) is not None:
        attach(interface, force=True)
        detach(interface)
    else:
        attach(interface)
        detach(interface)
    assert look(interface) is None
    assert not os.path.exists(folder_of(interface))
    assert not os.path.exists(egress_folder())
