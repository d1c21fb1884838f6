"""Programs at tc egress on interfaces that come, go and move, and misplaced pins."""

import os
from collections.abc import Iterator

import pytest

from ecbpf.chain import egress
from ecbpf.chain.attach import attach, detach
from ecbpf.chain.egress import egress_interfaces, egress_program
from ecbpf.chain.pins import egress_folder, egress_folders
from ecbpf.chain.repair import sweep
from ecbpf.errors import DataError, EcbpfError
from ecbpf.kernel import tc
from ecbpf.kernel.tc import TcxLink, tcx_programs
from ecbpf.lab.namespace import inside_namespace
from ecbpf.netdev.interfaces import index_of
from tests.netns.chain.egress.programs import (
    COUNT,
    OURS,
    THEIRS,
    Load,
    no_tcx,
    pin_of,
    pins,
    put,
    running,
    seen_of,
    take_off,
    until,
)
from tests.support.needs import needs_tcx
from tests.support.pair import Pair
from tests.support.shell import sh


def test_a_deleted_interface_leaves_nothing(near: str, pair: Pair, new: Load, way: str) -> None:
    loaded = new()
    put(near, loaded)
    sh(f"ip link del {near}")
    with pytest.raises(DataError, match="near0: no such interface"):
        egress_program(near, OURS)
    assert egress_interfaces(OURS) == []
    for verb in (lambda: put(near, loaded), lambda: take_off(near)):
        with pytest.raises(DataError, match="near0: no such interface"):
            verb()
    sh(f"ip link add {near} type veth peer name {pair.far}")
    assert egress_program(near, OURS) is None
    assert put(near, loaded) == f"egress program attached ({way})"
    assert pins() == ([str(index_of(near))] if way == "tcx" else [])


@needs_tcx
@pytest.mark.parametrize("command", ["sweep", "repair", "put"])
def test_any_command_removes_pins_of_deleted_interfaces(near: str, pair: Pair, new: Load, command: str) -> None:
    put(near, new())
    sh(f"ip link del {near}; ip link add other0 type veth peer name other1")
    assert len(pins()) == 1
    if command == "sweep":
        sweep()
        assert egress_folder() not in egress_folders()
    elif command == "repair":
        attach("other0")
        assert pins() == []
        detach("other0")
    else:
        put("other0", new())
        assert pins() == [str(index_of("other0"))]
        sh("ip link del other0")


def test_a_renamed_interface_keeps_it(near: str, new: Load, way: str) -> None:
    first, second = new(), new()
    put(near, first)
    sh(f"ip link set {near} down; ip link set {near} name other0; ip link set other0 up")
    assert running("other0") == 1
    assert egress_interfaces(OURS) == ["other0"]
    assert put("other0", second) == f"egress program replaced ({way})"
    assert seen_of("other0", first, second) == [0, COUNT]
    assert len(pins()) == (way == "tcx")
    assert take_off("other0")
    assert pins() == []


@pytest.fixture
def other(pair: Pair) -> Iterator[str]:
    """Another namespace, without IPv6 traffic like the pair's."""
    name = f"{pair.namespace}-b"
    sh(f"ip netns add {name}")
    try:
        sh(f"nsenter --net=/run/netns/{name} sysctl -qw net.ipv6.conf.all.disable_ipv6=1")
        yield name
    finally:
        sh(f"ip netns del {name}")
        sweep()


@needs_tcx
def test_it_moves_with_its_interface_and_back(near: str, pair: Pair, other: str, new: Load) -> None:
    first, second, third, fourth = (new() for _ in range(4))
    put(near, first)
    before = index_of(near)
    left = egress_folder()
    sh(f"ip link set {near} netns {other}; ip -n {other} link set {near} up")
    assert egress_interfaces(OURS) == []
    sweep()
    with inside_namespace(other):
        assert running(near) == 1
        assert seen_of(near, first) == [COUNT]
        assert put(near, second) == "egress program replaced (tcx)"
        assert pins() == [str(index_of(near))]
        assert seen_of(near, first, second) == [0, COUNT]
    assert not os.path.exists(left)
    # Its index is in use here: it comes back with another.
    sh(f"ip link add third0 index {before} type veth peer name third1; ip link set third0 up")
    sh(f"ip -n {other} link set {near} netns {pair.namespace}; ip link set {near} up")
    assert index_of(near) != before
    assert egress_interfaces(OURS) == [near]
    assert put("third0", third) == "egress program attached (tcx)"
    assert put(near, fourth) == "egress program replaced (tcx)"
    assert pins() == sorted(str(index_of(name)) for name in (near, "third0"))
    assert seen_of(near, second, third, fourth) == [0, 0, COUNT]
    assert seen_of("third0", second, third, fourth) == [0, COUNT, 0]
    with inside_namespace(other):
        assert not os.path.exists(egress_folder())


@needs_tcx
def test_a_new_interface_of_its_index_does_not_take_over_its_pin(
    near: str, pair: Pair, other: str, new: Load
) -> None:
    first, second, third = new(), new(), new()
    put(near, first)
    number = index_of(near)
    sh(f"ip link set {near} netns {other}; ip -n {other} link set {near} up")
    sh(f"ip link add third0 index {number} type veth peer name third1; ip link set third0 up")
    assert egress_program("third0", OURS) is None
    assert take_off("third0") is False
    assert put("third0", second) == "egress program attached (tcx)"
    assert len(pins()) == 2
    assert seen_of("third0", first, second) == [0, COUNT]
    assert take_off("third0")
    with inside_namespace(other):
        assert seen_of(near, first, second) == [COUNT, 0]
        assert put(near, third) == "egress program replaced (tcx)"
        assert pins() == [str(number)]
        assert take_off(near)
    assert not os.path.exists(egress_folder())


def test_a_clsact_filter_does_not_move(near: str, other: str, new: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tc, "probe_tcx", no_tcx)
    loaded = new()
    put(near, loaded)
    sh(f"ip link set {near} netns {other}")
    with inside_namespace(other):
        assert egress_program(near, OURS) is None
        assert put(near, loaded) == "egress program attached (clsact)"


@needs_tcx
def test_one_program_on_one_index_in_two_namespaces(near: str, pair: Pair, other: str, new: Load) -> None:
    both, newer = new(), new()
    sh(f"ip -n {other} link add {near} index {index_of(near)} type veth peer name {pair.far}")
    put(near, both)
    keeper = TcxLink.by_pin(pin_of(near))
    with inside_namespace(other):
        put(near, both)
    os.unlink(pin_of(near))
    with pytest.raises(
        EcbpfError, match=r"near0: program \d+ is at egress of two interfaces with the same index, in two namesp"
    ):
        put(near, newer)
    with inside_namespace(other):
        assert put(near, newer) == "egress program replaced (tcx)"
    assert put(near, newer) == "egress program replaced (tcx)"
    assert keeper.info.prog_id == newer.programs[OURS].id
    keeper.close()


@needs_tcx
def test_a_removed_pin(near: str, new: Load) -> None:
    first, second, third = new(), new(), new()
    put(near, first)
    os.unlink(pin_of(near))
    until(lambda: not tcx_programs(index_of(near), "egress"))  # after an RCU grace period
    assert egress_program(near, OURS) is None, "it went with its pin"
    assert put(near, second) == "egress program attached (tcx)"
    with TcxLink.by_pin(pin_of(near)):
        os.unlink(pin_of(near))
        os.rmdir(egress_folder())
        assert running(near) == 2
        assert put(near, third) == "egress program replaced (tcx)"
    assert pins() == [str(index_of(near))]
    assert seen_of(near, first, second, third) == [0, 0, COUNT]


@needs_tcx
def test_pins_with_wrong_names(near: str, pair: Pair, new: Load) -> None:
    first, second = new(), new()
    put(near, first)
    put(pair.far, second)
    one, two = pin_of(near), pin_of(pair.far)
    os.rename(one, f"{one}x")
    os.rename(two, one)
    os.rename(f"{one}x", two)
    assert (running(near), running(pair.far)) == (1, 2)
    assert put(near, new()) == "egress program replaced (tcx)"
    assert put(pair.far, new()) == "egress program replaced (tcx)"
    assert pins() == sorted((os.path.basename(one), os.path.basename(two)))
    for interface in (near, pair.far):
        with TcxLink.by_pin(pin_of(interface)) as link:
            assert link.info.ifindex == index_of(interface)


@needs_tcx
def test_other_pins_in_the_folder_are_left_alone(near: str, new: Load) -> None:
    loaded = new()
    put(near, loaded)
    strange = os.path.join(egress_folder(), "a-program")
    loaded.programs[THEIRS].pin(strange)
    sweep()
    assert put(near, new()) == "egress program replaced (tcx)"
    assert take_off(near)
    assert pins() == ["a-program"]
    os.unlink(strange)


def test_an_interface_that_vanishes_during_a_look(near: str, new: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    put(near, new())
    listed = [["lo", "gone0", near], ["lo", near]]
    monkeypatch.setattr(egress, "names", lambda: listed.pop(0))
    assert egress_interfaces(OURS) == [near]
    assert listed == []
