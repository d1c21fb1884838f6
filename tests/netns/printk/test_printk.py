"""printk: one line per packet in the trace pipe, and the packet goes on."""

import pytest

from ecbpf.chain.attach import attach
from ecbpf.chain.occupant import find_root
from ecbpf.chain.pins import locked
from ecbpf.chain.slots import put
from ecbpf.kernel.object import Object
from ecbpf.kernel.probe import Answer
from ecbpf.kernel.uapi import XDP_PASS
from ecbpf.printk import Printk
from ecbpf.printk.subprogram import has_vprintk
from ecbpf.subprogram.running import find
from tests.support.frames import THROUGH_SLOTS
from tests.support.trace import traced

LINES = {
    "IPv4 UDP": "near0: 192.0.2.1:1000 > 192.0.2.2:2000 proto 17 length 62 tags 0 reason 0",
    "IPv4 in two tags": "near0: 192.0.2.1:1000 > 192.0.2.2:2000 proto 17 length 70 tags 2 reason 0",
    "IPv6 hop-by-hop": "near0: [2001:0db8:0000:0000:0000:0000:0000:0001]:1000 > "
    "[2001:0db8:0000:0000:0000:0000:0000:0002]:2000 proto 17 length 90 tags 0 reason 0",
    "IPv4 in three tags": "near0: no IP header, length 74 reason 3",
}


@pytest.fixture
def near(near: str) -> str:
    """An interface with a root array; the test runs in its namespace."""
    attach(near)
    return near


@pytest.mark.skipif(has_vprintk() is Answer.NO, reason="no long lines before Linux 5.16")
def test_one_line_per_packet_and_the_packet_goes_on(near: str) -> None:
    put(near, Printk())
    root = find_root(near)
    with traced() as lines:
        for packet, line in LINES.items():
            assert root.program.test_run(bytes(THROUGH_SLOTS[packet])).retval == XDP_PASS
            assert len(lines(line, 1)) == 1, packet


def test_a_kernel_without_vprintk_prints_a_shorter_line(near: str) -> None:
    class Old(Printk):
        def configure(self, new: Object, interface: str) -> None:
            super().configure(new, interface)
            new.globals.has_vprintk = 0

    put(near, Old())
    with traced() as lines:
        find_root(near).program.test_run(bytes(THROUGH_SLOTS["IPv4 UDP"]))
        assert len(lines("near0: proto 17 length 62", 1)) == 1


def test_one_packet_in_so_many_is_logged_and_all_are_counted(near: str) -> None:
    put(near, Printk())
    root, running = find_root(near), find(Printk, near)
    packet = bytes(THROUGH_SLOTS["IPv4 UDP"])
    for _ in range(5):
        assert root.program.test_run(packet).retval == XDP_PASS
    assert running.settings == {"one_in": 1}
    assert running.counters() == {"logged": 5, "skipped": 0}
    with locked():
        running.set({"one_in": 4})
    root.program.test_run(packet, repeat=4000)
    counts = running.counters()
    assert counts["logged"] + counts["skipped"] == 4005
    # 1000 of 4000 on average; seven standard deviations, of 27 each, to either side
    assert 5 + 1000 - 190 < counts["logged"] < 5 + 1000 + 190
    running.clear()
    assert running.counters() == {"logged": 0, "skipped": 0}
