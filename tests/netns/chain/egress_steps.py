"""What the tests of programs at tc egress share; and, run as a script, a command to disturb.

``python -m tests.netns.chain.egress_steps put|off INTERFACE OBJECT VERSION tcx|clsact``
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from ecbpf.chain.egress import egress_program, put_egress, take_off_egress
from ecbpf.chain.occupant import maps_of
from ecbpf.chain.pins import egress_folder, locked
from ecbpf.chain.repair import sweep
from ecbpf.cli.output import change_text
from ecbpf.errors import EcbpfError
from ecbpf.kernel import tc
from ecbpf.kernel.globals import map_globals
from ecbpf.kernel.object import Object
from ecbpf.kernel.probe import Answer
from ecbpf.kernel.program import Program
from ecbpf.lab.namespace import inside_namespace
from ecbpf.netdev.interfaces import index_of, names
from tests.support.frames import FLOOD
from tests.support.needs import needs_tcx
from tests.support.pair import Pair
from tests.support.shell import sh

OURS, THEIRS = "tc_ours_that_counts", "tc_theirs"  # the former is longer than what the kernel keeps of it
COUNT = 100
WAYS = [pytest.param("tcx", marks=needs_tcx), "clsact"]

Load = Callable[[], Object]


def load(built: str, version: int) -> Object:
    """support/bpf/chain/egress_count.bpf.c, loaded; version: not 0."""
    opened = Object.open(built)
    opened.globals.version = version
    opened.load()
    return opened


def no_tcx() -> Answer:
    """probe_tcx() of a kernel before 6.6."""
    return Answer.NO


# Fixtures, once a test file says so.


def by_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """As that kernel would have it; the parameter is one of WAYS."""
    if request.param == "clsact":
        monkeypatch.setattr(tc, "probe_tcx", no_tcx)
    return str(request.param)


def bare_interface(pair: Pair) -> Iterator[str]:
    """A bare interface; the test runs in its namespace, and leaves no pins."""
    with inside_namespace(pair.namespace):
        try:
            yield pair.near
        finally:
            for name in names():
                if name != "lo":
                    sh(f"ip link del {name} || true")  # one end of a pair takes the other with it
            sweep()
        assert is_tidy()


def versions(build: Callable[[str], str]) -> Iterator[Load]:
    """Loads the counting programs, a next version each time."""
    loaded: list[Object] = []

    def load_next() -> Object:
        loaded.append(load(build("chain/egress_count"), len(loaded) + 1))
        return loaded[-1]

    yield load_next
    for each in loaded:
        each.close()


def is_tidy() -> bool:
    """No pin at egress of this namespace, and no folder in vain; pins of another kind are not ours to judge."""
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
    """Frames that each has counted since the last look."""
    counts = [sum(each.maps["seen"][0]) for each in loaded]
    for each in loaded:
        each.maps["seen"][0] = [0] * len(each.maps["seen"][0])
    return counts


def seen_of(interface: str, *loaded: Object) -> list[int]:
    """Of COUNT frames that leave by the interface, how many each counts."""
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
