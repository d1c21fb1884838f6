"""Shared by the tests of programs at tc egress; and, run as a script, a command for them to kill.

``python -m tests.netns.chain.egress.programs put|off INTERFACE OBJECT VERSION tcx|clsact``
"""

import os
import socket
import sys
import time
from collections.abc import Callable

import pytest

from ecbpf.chain.egress import egress_program, put_egress, take_off_egress
from ecbpf.chain.occupant import maps_of
from ecbpf.chain.pins import egress_folder, locked
from ecbpf.cli.output import change_text
from ecbpf.errors import EcbpfError
from ecbpf.kernel import tc
from ecbpf.kernel.globals import map_globals
from ecbpf.kernel.object import Object
from ecbpf.kernel.probe import Answer
from ecbpf.kernel.program import Program
from ecbpf.netdev.interfaces import index_of
from tests.support.frames import FLOOD
from tests.support.needs import needs_tcx

OURS, THEIRS = "tc_ours_that_counts", "tc_theirs"  # the former is longer than the kernel keeps
COUNT = 100
TCX = pytest.param("tcx", marks=needs_tcx)

Load = Callable[[], Object]


def load(built: str, version: int) -> Object:
    """support/bpf/chain/egress_count.bpf.c, loaded. version: not 0."""
    opened = Object.open(built)
    opened.globals.version = version
    opened.load()
    return opened


def no_tcx() -> Answer:
    """probe_tcx() of a kernel before 6.6."""
    return Answer.NO


def is_tidy() -> bool:
    """Assert that no pin at egress of this namespace and no empty folder is left; other pins are ignored."""
    folder = egress_folder()
    namespace = os.path.dirname(folder)
    return not os.path.exists(folder) and (not os.path.exists(namespace) or bool(os.listdir(namespace)))


def put(interface: str, loaded: Object) -> str:
    with locked():
        return change_text(put_egress(interface, loaded.programs[OURS]))


def take_off(interface: str) -> bool:
    with locked():
        return take_off_egress(interface, OURS)


def version_of(program: Program | None) -> int | None:
    return None if program is None else int(map_globals(maps_of(program)[".rodata"]).version)


def running(interface: str) -> int | None:
    """The version of ours that runs at egress."""
    return version_of(egress_program(interface, OURS))


def pins() -> list[str]:
    return sorted(os.listdir(egress_folder())) if os.path.isdir(egress_folder()) else []


def pin_of(interface: str) -> str:
    return os.path.join(egress_folder(), str(index_of(interface)))


def seen(*loaded: Object) -> list[int]:
    """The number of frames that each has counted since the last call."""
    counts = [sum(each.maps["seen"][0]) for each in loaded]
    for each in loaded:
        each.maps["seen"][0] = [0] * len(each.maps["seen"][0])
    return counts


def seen_of(interface: str, *loaded: Object) -> list[int]:
    """Send COUNT frames by the interface; returns how many each counts."""
    seen(*loaded)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((interface, 0))
        for _ in range(COUNT):
            out.send(FLOOD)
    return seen(*loaded)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def main(verb: str, interface: str, built: str, version: str, way: str) -> None:
    if way == "clsact":
        vars(tc)["probe_tcx"] = no_tcx
    with locked():
        if verb == "put":
            with load(built, int(version)) as loaded:
                print(put_egress(interface, loaded.programs[OURS]))
        else:
            print(take_off_egress(interface, OURS))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except EcbpfError as error:
        sys.exit(str(error))
