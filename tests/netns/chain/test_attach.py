"""Attach, replace, detach: interfaces that come and go, programs that are not ours, versions, pins."""

import os
import shutil
import subprocess
import sys

import pytest

from ecbpf.chain.attach import attach, attach_nop, detach
from ecbpf.chain.counters import clear, read
from ecbpf.chain.occupant import find_root, look
from ecbpf.chain.pins import folder_of, folders
from ecbpf.chain.slots import put
from ecbpf.chain.status import InterfaceStatus, status
from ecbpf.cli.output import change_text
from ecbpf.errors import BusyError, DataError, EcbpfError, KernelError
from ecbpf.kernel.map import open_map
from ecbpf.kernel.object import Object
from ecbpf.kernel.xdp import GENERIC, NATIVE, XdpLink, create_link, query
from ecbpf.lab.namespace import inside_namespace
from ecbpf.netdev.interfaces import index_of
from tests.support.frames import FLOOD, packet_socket
from tests.support.needs import needs_frags
from tests.support.objects import Build
from tests.support.pair import Pair
from tests.support.shell import sh
from tests.support.slots import PINS, Verdict, slot_ids
from tests.support.status import root_status


def pins(interface: str) -> set[str]:
    return set(os.listdir(folder_of(interface))) if os.path.isdir(folder_of(interface)) else set()


def test_attach_pins_everything_and_detach_leaves_nothing(near: str) -> None:
    assert change_text(attach(near)) == "root array attached (native)"
    assert pins(near) == PINS
    assert change_text(detach(near)) == "root array detached"
    assert pins(near) == set()
    assert look(near) is None


def test_generic_mode_only_when_asked_for(near: str) -> None:
    attach(near, generic=True)
    assert root_status(near).mode == GENERIC
    assert change_text(attach(near)) == "root array replaced in place (generic)"


def test_generic_is_refused_where_native_is_attached(near: str) -> None:
    attach(near)
    before = query(index_of(near))
    with pytest.raises(BusyError, match=r"native mode is attached, generic was asked"):
        attach(near, generic=True)
    assert query(index_of(near)) == before


def test_native_is_not_silently_generic(near: str) -> None:
    with pytest.raises(KernelError, match="no native XDP; --generic works with any"):
        attach("lo")
    assert look("lo") is None
    assert not os.path.exists(folder_of("lo"))
    attach("lo", generic=True)
    detach("lo")


def test_nop_replaces_the_root_and_the_root_replaces_nop(near: str) -> None:
    attach(near)
    assert change_text(attach_nop(near)) == "nop attached in place of xdp_root_prog (native)"
    assert pins(near) == {"link"}
    assert status([near])[0].root is None
    assert "xdp_nop_prog" in status([near])[0].other_program
    assert change_text(attach(near)) == "root array attached in place of xdp_nop_prog (native)"
    assert pins(near) == PINS
    attach_nop(near)
    assert change_text(detach(near)) == "nop detached"
    assert look(near) is None


def test_detach_without_a_root_says_so(near: str) -> None:
    with pytest.raises(EcbpfError, match="no root array attached"):
        detach(near)


@pytest.mark.parametrize("mode", [NATIVE, GENERIC])
@pytest.mark.parametrize("how", ["link", "netlink"])
def test_another_program_is_named_left_alone_and_replaced_by_force(
    near: str, build: Build, how: str, mode: str
) -> None:
    link = None
    if how == "link":
        with Object.open(build("chain/stranger")) as stranger:
            stranger.load()
            link = create_link(index_of(near), stranger.programs["xdp_stranger"], mode)
    else:
        flag = "xdpdrv" if mode == NATIVE else "xdpgeneric"
        sh(f"ip link set {near} {flag} obj {build('chain/stranger')} sec xdp")
    there = query(index_of(near))
    assert there is not None
    named = rf"{near}: XDP program {there.program_id} \(xdp_stranger\), {mode}, attached by {how}.*is not ours"
    for refused in (attach, attach_nop, detach):
        with pytest.raises(BusyError, match=named):
            refused(near)
        assert query(index_of(near)) == there
    assert "xdp_stranger" in status([near])[0].other_program

    assert change_text(attach(near, force=True)) == f"root array attached in place of xdp_stranger ({mode})"
    assert pins(near) == (PINS if how == "link" else PINS - {"link"})
    if link is not None:
        link.close()
    assert find_root(near).mode == mode
    assert change_text(attach(near)) == f"root array replaced in place ({mode})"
    put(near, Verdict(3, build("chain/verdicts")))
    detach(near)
    assert look(near) is None
    assert pins(near) == set()


def test_an_interface_that_was_deleted_leaves_nothing_behind(pair: Pair, near: str) -> None:
    attach(near)
    attach(pair.far)
    sh(f"ip link del {near}")
    with pytest.raises(DataError, match="no such interface"):
        attach(near)
    sh(f"ip link add {near} type veth peer name {pair.far}")
    assert status([near]) == [InterfaceStatus(interface=near, root=None, other_program="")]
    attach(near)
    assert pins(near) == PINS
    detach(near)
    # Any command that changes something removes stale pins, the other end's too.
    assert pins(pair.far) == set()


def test_a_renamed_interface_keeps_its_root_array(near: str, build: Build) -> None:
    attach(near)
    put(near, Verdict(3, build("chain/verdicts")))
    sh(f"ip link set {near} down; ip link set {near} name other0; ip link set other0 up")
    state = root_status("other0")
    assert state.slots[3].name == "xdp_verdicts_prog"
    assert change_text(attach("other0")) == "root array replaced in place (native)"
    assert pins("other0") == PINS | {"slot3"}
    assert pins(near) == set()
    detach("other0")
    assert look("other0") is None


def test_a_new_interface_of_an_old_name_does_not_take_over_its_pins(near: str) -> None:
    attach(near)
    sh(f"ip link set {near} down; ip link set {near} name other0")
    sh(f"ip link add {near} type veth peer name third0")
    first = find_root("other0").program.id
    attach(near)
    assert find_root("other0").program.id == first, "the link must not have gone with its pin's name"
    detach(near)
    assert find_root("other0").program.id == first
    detach("other0")


def test_an_interface_moved_to_another_namespace_keeps_its_root_array(pair: Pair, near: str) -> None:
    attach(near)
    root = find_root(near).program.id
    other = f"{pair.namespace}-b"
    sh(f"ip netns add {other}; ip link set {near} netns {other}")
    try:
        left = folder_of(near)
        assert left in folders()
        with inside_namespace(other):
            assert find_root(near).program.id == root
            attach(near)
            assert pins(near) == PINS
            detach(near)
    finally:
        sh(f"ip netns del {other}")
    assert left not in folders()


def test_two_namespaces_may_have_interfaces_of_one_name(pair: Pair, near: str) -> None:
    other = f"{pair.namespace}-b"
    sh(f"ip netns add {other}; ip -n {other} link add {near} type veth peer name {pair.far}")
    try:
        attach(near)
        with inside_namespace(other):
            attach(near)
            detach(near)
        assert find_root(near).is_root
    finally:
        sh(f"ip netns del {other}")
    detach(near)


def test_removed_pins_are_made_again(near: str, build: Build) -> None:
    attach(near)
    put(near, Verdict(3, build("chain/verdicts")))
    root = find_root(near)
    slots = slot_ids(root)
    keeper = [XdpLink.by_pin(os.path.join(folder_of(near), "link")), root.maps["xdp_program_arr"]]
    shutil.rmtree(folder_of(near))
    assert root_status(near)
    attach(near)
    for each in keeper:
        each.close()
    assert pins(near) == PINS | {"slot3"}
    assert slot_ids(find_root(near)) == slots


def test_swapped_pins_are_repaired(near: str) -> None:
    attach(near)
    first, second = (os.path.join(folder_of(near), name) for name in ("xdp_stats", "xdp_sample"))
    os.rename(first, first + "x")
    os.rename(second, first)
    os.rename(first + "x", second)
    attach(near)
    with open_map(first) as stats, open_map(second) as sample:
        assert (stats.name, sample.name) == ("xdp_stats", "xdp_sample")


def test_a_name_with_a_dot_and_one_with_a_dash_work(near: str) -> None:
    sh("ip link add v-x.5 type veth peer name v-y")
    attach("v-x.5")
    assert os.path.basename(folder_of("v-x.5")) == "v-x:5"
    assert root_status("v-x.5")
    detach("v-x.5")


@needs_frags
def test_a_large_mtu_gets_multi_buffer_programs(pair: Pair, near: str, build: Build) -> None:
    sh(f"ip link set {pair.far} mtu 9000; ip link set {near} mtu 9000")
    attach(near)
    put(near, Verdict(3, build("chain/verdicts")))
    attach(near)
    with packet_socket(pair.far) as wire:
        wire.send(FLOOD.ljust(8000, b"\0"))
    assert read(find_root(near), 3)["XDP_PASS"] == 1


def test_a_root_array_of_an_older_version_is_upgraded_in_place(near: str, build: Build) -> None:
    """One without hint and sample: it is shown, replaced with its slots kept, and detached."""
    attach(near, filename=build("chain/root_old"))
    array = find_root(near).maps["xdp_program_arr"]
    with Object.open(build("chain/hook")) as old_subprogram:
        old_subprogram.load()
        array[5] = old_subprogram.programs["answer_tx"]
    assert root_status(near).slots[5].name == "answer_tx"
    with pytest.raises(EcbpfError, match=r"of another version: it has no map .*upgrade it in place: ecbpf attach"):
        put(near, Verdict(3, build("chain/verdicts")))

    attach(near)
    root = find_root(near)
    assert root.program.test_run(FLOOD).retval == 3, "the slots that were filled before are still walked"
    put(near, Verdict(3, build("chain/verdicts"), 1))
    assert root.program.test_run(FLOOD).retval == 1
    detach(near)


def test_a_root_array_of_a_version_that_does_not_fit_is_named_and_left_alone(near: str, build: Build) -> None:
    attach(near, filename=build("chain/root_strange"))
    there = query(index_of(near))
    with pytest.raises(EcbpfError, match="of another version: map xdp_stats has another shape; ecbpf detach"):
        attach(near)
    with pytest.raises(EcbpfError, match="of another version"):
        put(near, Verdict(3, build("chain/verdicts")))
    assert query(index_of(near)) == there
    find_root(near).program.test_run(FLOOD)
    assert root_status(near).counts["XDP_PASS"] == 1
    clear(find_root(near))
    assert root_status(near).counts["XDP_PASS"] == 0
    detach(near)


def test_two_commands_at_once_take_turns(near: str) -> None:
    command = [sys.executable, "-m", "ecbpf.cli.main", "attach", near]
    many = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    outputs = [process.communicate() for process in many]
    assert [process.returncode for process in many] == [0] * 6, outputs
    said = sorted(output.decode().strip() for output, _ in outputs)
    assert (
        said == [f"{near}: root array attached (native)"] + [f"{near}: root array replaced in place (native)"] * 5
    )


def test_a_pin_is_readable_by_path_with_its_types(near: str) -> None:
    attach(near)
    with open_map(os.path.join(folder_of(near), "xdp_stats")) as stats:
        assert [len(cpu.verdict) for cpu in stats[8]] == [6] * len(stats[8])
