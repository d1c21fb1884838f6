"""Programs on real interfaces: XDP links native and generic, tcx, clsact; with frames over a veth pair."""

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from ecbpf.errors import KernelError
from ecbpf.kernel import Object, tc
from ecbpf.kernel.probe import Answer
from ecbpf.kernel.tc import ClsactFilter, TcxLink, attach_tc
from ecbpf.kernel.xdp import (
    GENERIC,
    NATIVE,
    XdpLink,
    create_link,
    detach_by_netlink,
    find_links,
    query,
    replace_by_netlink,
)
from ecbpf.lab.namespace import inside_namespace
from tests.support.needs import needs_live_frames, needs_tcx
from tests.support.objects import Build
from tests.support.pair import Pair
from tests.support.shell import sh

FRAME = bytes.fromhex("ffffffffffff 020000000001 88b5") + bytes(50)
COUNT = 200


class Wire:
    """A pair, whose namespace the test runs in: sends frames from one end to the other."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.near, self.far = socket.if_nametoindex(pair.near), socket.if_nametoindex(pair.far)

    def send(self, name: str = "", count: int = COUNT) -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
            out.bind((name or self.pair.far, 0x88B5))
            for _ in range(count):
                out.send(FRAME)


@pytest.fixture
def wire(pair: Pair) -> Iterator[Wire]:
    with inside_namespace(pair.namespace):
        yield Wire(pair)


@pytest.fixture
def loaded(build: Build) -> Iterator[Object]:
    with Object.open(build("kernel/attach")) as opened:
        opened.load()
        yield opened


def saw(loaded: Object) -> tuple[int, int]:
    seen = (loaded.globals.first_saw, loaded.globals.second_saw)
    loaded.globals.first_saw = loaded.globals.second_saw = 0
    return seen


@pytest.mark.parametrize("mode", [NATIVE, GENERIC])
def test_an_xdp_link_sees_every_frame_until_it_is_closed(wire: Wire, loaded: Object, mode: str) -> None:
    first, second = loaded.programs["xdp_first_prog"], loaded.programs["xdp_second_prog"]
    assert query(wire.near) is None
    with create_link(wire.near, first, mode) as link:
        attached = query(wire.near)
        assert attached is not None
        assert (attached.program_id, attached.mode) == (first.id, mode)
        assert (link.info.ifindex, link.info.prog_id) == (wire.near, first.id)
        wire.send()
        assert saw(loaded) == (COUNT, 0)
        link.update(second, first)
        wire.send()
        assert saw(loaded) == (0, COUNT)
        with pytest.raises(KernelError) as refusal:
            link.update(first, first)
        assert refusal.value.errno == errno.EPERM
        with pytest.raises(KernelError) as refusal:
            create_link(wire.near, first, mode)
        assert refusal.value.errno == errno.EBUSY
        with pytest.raises(KernelError) as refusal:
            replace_by_netlink(wire.near, first, second, mode)
        assert refusal.value.errno == errno.EBUSY
        (same,) = find_links(second.id, wire.near)
        with same:
            assert same.info.id == link.info.id
        assert find_links(first.id, wire.near) == []
    assert query(wire.near) is None
    wire.send()
    assert saw(loaded) == (0, 0)


def test_a_pinned_link_outlives_its_process(wire: Wire, loaded: Object, pin: str) -> None:
    first, second = loaded.programs["xdp_first_prog"], loaded.programs["xdp_second_prog"]
    with create_link(wire.near, first, NATIVE) as link:
        number = link.info.id
        link.pin(pin)
    script = f"from ecbpf.kernel.xdp import XdpLink; print(XdpLink.by_pin({pin!r}).info.id)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert int(done.stdout) == number
    wire.send()
    assert saw(loaded) == (COUNT, 0)
    with XdpLink.by_pin(pin) as link:
        link.update(second, first)
        wire.send()
        assert saw(loaded) == (0, COUNT)
        link.detach()
        assert (query(wire.near), link.info.ifindex) == (None, 0)
    os.unlink(pin)
    with pytest.raises(KernelError, match=r"ENOENT"):
        XdpLink.by_pin(pin)


def test_a_link_whose_interface_is_gone(wire: Wire, loaded: Object) -> None:
    first, second = loaded.programs["xdp_first_prog"], loaded.programs["xdp_second_prog"]
    with create_link(wire.near, first, NATIVE) as link:
        sh(f"ip link del {wire.pair.near}")
        assert link.info.ifindex == 0
        with pytest.raises(KernelError) as refusal:
            link.update(second, first)
        assert refusal.value.errno == errno.ENOLINK
    assert query(wire.near) is None
    with pytest.raises(KernelError):
        create_link(wire.near, first, NATIVE)


def test_a_netlink_attachment_is_replaced_in_place(wire: Wire, loaded: Object, pin: str) -> None:
    first, second = loaded.programs["xdp_first_prog"], loaded.programs["xdp_second_prog"]
    first.pin(pin)
    sh(f"ip link set {wire.pair.near} xdpgeneric pinned {pin}")
    assert find_links(first.id, wire.near) == []
    with pytest.raises(KernelError) as refusal:
        replace_by_netlink(wire.near, first, second, GENERIC)
    assert refusal.value.errno == errno.EEXIST
    replace_by_netlink(wire.near, second, first, GENERIC)
    wire.send()
    assert saw(loaded) == (0, COUNT)
    with pytest.raises(KernelError):
        detach_by_netlink(wire.near, first, GENERIC)
    detach_by_netlink(wire.near, second, GENERIC)
    assert query(wire.near) is None


def test_native_mode_never_falls_back_to_generic(wire: Wire, loaded: Object) -> None:
    sh(f"ip link set {wire.pair.near} mtu 9000")
    sh(f"ip link set {wire.pair.far} mtu 9000")
    with pytest.raises(KernelError) as refusal:
        create_link(wire.near, loaded.programs["xdp_first_prog"], NATIVE)
    assert refusal.value.errno in (errno.ERANGE, errno.EINVAL, errno.E2BIG, errno.EOPNOTSUPP)
    assert query(wire.near) is None


@needs_tcx
def test_tcx_beside_programs_that_are_not_ours(wire: Wire, loaded: Object, pin: str) -> None:
    first, second = loaded.programs["tc_first_prog"], loaded.programs["tc_second_prog"]
    with (
        TcxLink.create(wire.near, second, "ingress") as theirs,
        TcxLink.create(wire.near, first, "ingress") as ours,
    ):
        wire.send()
        assert saw(loaded) == (COUNT, COUNT)
        with pytest.raises(KernelError) as refusal:
            ours.update(second, second)
        assert refusal.value.errno == errno.EPERM
        ours.pin(pin)
        ours.close()
        wire.send()
        assert saw(loaded) == (COUNT, COUNT)
        with TcxLink.by_pin(pin) as again:
            assert (again.info.prog_id, again.info.ifindex) == (first.id, wire.near)
            again.detach()
            assert again.info.ifindex == 0
        os.unlink(pin)
        wire.send()
        assert (saw(loaded), theirs.info.prog_id) == ((0, COUNT), second.id)
    wire.send()
    assert saw(loaded) == (0, 0)


@needs_tcx
def test_tcx_updates_in_place_at_egress(wire: Wire, loaded: Object) -> None:
    first = loaded.programs["tc_first_prog"]
    link = attach_tc(wire.near, first, "egress")
    assert isinstance(link, TcxLink)
    with link:
        wire.send(wire.pair.near)
        assert saw(loaded) == (COUNT, 0)
        wire.send()  # the other way
        assert saw(loaded) == (0, 0)
        with Object.open(loaded.name) as newer:
            newer.load()
            link.update(newer.programs["tc_second_prog"], first)
            wire.send(wire.pair.near)
            assert (saw(loaded), saw(newer)) == ((0, 0), (0, COUNT))


@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_clsact(wire: Wire, loaded: Object, direction: str, pin: str) -> None:
    assert direction in ("ingress", "egress")
    first, second = loaded.programs["tc_first_prog"], loaded.programs["tc_second_prog"]
    source = wire.pair.far if direction == "ingress" else wire.pair.near
    ours = ClsactFilter(wire.near, direction)  # type: ignore[arg-type]
    assert ours.program_id() is None
    with pytest.raises(KernelError):
        ours.detach()
    ours.put(first)
    assert ours.program_id() == first.id
    wire.send(source)
    assert saw(loaded) == (COUNT, 0)
    ours.put(second)
    wire.send(source)
    assert (saw(loaded), ours.program_id()) == ((0, COUNT), second.id)
    # A filter that is not ours, after our own.
    first.pin(pin)
    dev = f"dev {wire.pair.near} {direction}"
    sh(f"tc filter add {dev} prio 7 handle 1 bpf da object-pinned {pin}")
    wire.send(source)
    assert saw(loaded) == (COUNT, COUNT)
    ours.detach()
    assert ours.program_id() is None
    wire.send(source)
    assert saw(loaded) == (COUNT, 0)
    with pytest.raises(KernelError) as refusal:
        ours.detach()
    assert refusal.value.errno == errno.ENOENT


def test_clsact_is_used_without_tcx(wire: Wire, loaded: Object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tc, "probe_tcx", lambda: Answer.NO)
    attached = attach_tc(wire.near, loaded.programs["tc_first_prog"], "egress")
    assert isinstance(attached, ClsactFilter)
    assert attached.program_id() == loaded.programs["tc_first_prog"].id


@needs_live_frames
def test_live_frames_arrive_at_the_peer(wire: Wire, build: Build) -> None:
    with Object.open(build("kernel/attach")) as sender, Object.open(build("kernel/attach")) as receiver:
        sender.globals.verdict = 3  # XDP_TX
        sender.load()
        receiver.load()
        transmit = sender.programs["xdp_first_prog"]
        with (
            create_link(wire.near, transmit, NATIVE),
            create_link(wire.far, receiver.programs["xdp_receiver_prog"], NATIVE),
        ):
            for repeat, batch in ((1, 1), (1000, 64), (777, 32)):
                receiver.globals.received = sender.globals.first_saw = 0
                transmit.send_live(FRAME, wire.near, repeat=repeat, batch=batch)
                _until(lambda repeat=repeat: receiver.globals.received >= repeat)  # type: ignore[misc]
                assert (sender.globals.first_saw, receiver.globals.received) == (repeat, repeat)
        with pytest.raises(KernelError) as refusal:
            transmit.send_live(FRAME, 0x7FFFFFFF)
        assert refusal.value.errno == errno.ENODEV


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
