"""RSTs in answer to clients and packets on their way to a server, byte by byte, in frames of every size."""

from typing import Any

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet

from ecbpf.errors import KernelError
from tests.netns.fastpath.cases import BOTH, flow_of
from tests.netns.fastpath.kernel import Fastpath, Runner
from tests.netns.fastpath.state import prepare, put
from tests.oracle.fastpath_flows import FlowId
from tests.oracle.fastpath_frames import answer_faults, to_server
from tests.oracle.fastpath_packets import ACK, NIC_MAC, OUR_MAC, SERVER_MAC, frame_of
from tests.oracle.fastpath_settings import Settings
from tests.oracle.packet import parse
from tests.support.needs import needs_frags
from tests.support.objects import Build

TAG = b"\x81\0\xb0\x05"
every_family = pytest.mark.parametrize("family", BOTH)
every_tag = pytest.mark.parametrize("tags", [pytest.param(b"", id="untagged"), pytest.param(TAG, id="tagged")])


def reset(fastpath: Fastpath, flow: FlowId, **settings: Any) -> None:
    """A flow whose next packet is answered."""
    put(fastpath, prepare(fastpath, Settings(**settings), 1000), flow, is_reset=1)


def answer_to(fastpath: Fastpath, flow: FlowId, frame: bytes) -> bytes:
    """What ingress answers to a packet of a flow that is reset."""
    entry = fastpath.find(flow)
    assert entry
    entry.flow.answers = 0
    outcome = fastpath.enter(frame)
    assert outcome[:2] == ("XDP_TX", "REASON_RESET_ANSWER")
    return outcome.frame


def answer_by_scapy(frame: bytes) -> bytes:
    """The right answer, made by another hand."""
    asked = Ether(frame)
    tcp = TCP(sport=asked[TCP].dport, dport=asked[TCP].sport, flags="R", seq=asked[TCP].ack, ack=0, window=0)
    ip: Packet
    if IP in asked:
        ip = IP(src=asked[IP].dst, dst=asked[IP].src, id=0, flags="DF", ttl=64, tos=asked[IP].tos & ~3)
    else:
        old = asked[IPv6]
        ip = IPv6(src=old.dst, dst=old.src, hlim=64, tc=old.tc & ~3, fl=0)
    link = Ether(src=asked.dst, dst=asked.src)
    if Dot1Q in asked:
        link /= Dot1Q(prio=asked[Dot1Q].prio, dei=asked[Dot1Q].dei, vlan=asked[Dot1Q].vlan)
    answer = bytes(link / ip / tcp)
    return answer + bytes(max(0, min(len(frame), 60) - len(answer)))


@every_family
@every_tag
def test_answer_byte_by_byte(fastpath: Fastpath, family: int, tags: bytes) -> None:
    """Every kind of header and size: 54 bytes, which no Ethernet has, up to what one buffer holds."""
    flow = flow_of(family)
    reset(fastpath, flow)
    for options in (b"", b"\1\1\x08\x0a" + bytes(8), b"\1" * 40):
        for size in (0, 1, 2, 5, 6, 7, 20, 46, 536, 1460, 3000):
            for fill in (b"\0", b"\xff"):
                more: dict[str, Any] = {"tcp_options": options, "payload": fill * size, "tags": tags}
                for tos, seq, ack in ((0, 0, 0), (0xFF, 2**32 - 1, 2**32 - 1), (0xB9, 1, 0x80000001)):
                    frame = frame_of(flow, ACK, tos=tos, seq=seq, ack=ack, urgent=seq & 0xFFFF, **more)
                    answer = answer_to(fastpath, flow, frame)
                    assert answer == answer_by_scapy(frame)
                    assert not answer_faults(frame, answer)


@every_family
def test_answer_to_a_padded_packet(fastpath: Fastpath, family: int) -> None:
    """Whatever was in the padding is not sent back."""
    flow = flow_of(family)
    reset(fastpath, flow)
    bare = frame_of(flow)
    for length in range(len(bare), 90):
        frame = bare.ljust(length, b"\xee")
        answer = answer_to(fastpath, flow, frame)
        assert not answer_faults(frame, answer)
        assert answer == answer_by_scapy(frame)


@every_family
def test_checksums_where_the_sum_folds(fastpath: Fastpath, family: int) -> None:
    """Many values of half the sequence number, over addresses and ports of high numbers."""
    high = b"\xff" * 3 + b"\xfe"
    flow = FlowId(
        bytes((223, 255, 255, 255)) if family == 4 else b"\x2f\xff" + high * 3 + b"\xff\xff",
        bytes((223, 255, 255, 254)) if family == 4 else b"\x2f\xff" + high * 3 + b"\xff\xfe",
        65535,
        65535,
    )
    reset(fastpath, flow)
    for word in range(0, 1 << 16, 11):
        frame = frame_of(flow, ack=word << 16 | 0xFFFF, tos=0xFC)
        answer = answer_to(fastpath, flow, frame)
        assert not answer_faults(frame, answer), frame.hex()


def test_every_ttl_and_checksum(fastpath: Fastpath) -> None:
    """Each TTL, and many checksums of IPv4, those around 0 and 0xffff among them; wrong ones stay wrong."""
    flow = flow_of(4)
    put(fastpath, prepare(fastpath, Settings(decrement_ttl=True), 1000), flow)
    macs = SERVER_MAC + OUR_MAC
    for word in (*range(0, 1 << 16, 199), 0xFFFF, 0xFEFF, 0xFEFE, 0xFF00, 0x00FF):
        right = bytearray(frame_of(flow, ttl=word % 254 + 2))
        right[18:20] = word.to_bytes(2, "big")  # the identification, and with it the checksum
        for check in (_checksum(right), b"\0\0", b"\xff\xff", b"\xfe\xff", b"\xfe\xfe"):
            right[24:26] = check
            frame = bytes(right)
            outcome = fastpath.enter(frame)
            assert outcome.frame == to_server(frame, parse(frame)[1], macs, 0, True), frame.hex()


def _checksum(frame: bytearray) -> bytes:
    total = sum(int.from_bytes(frame[at : at + 2], "big") for at in range(14, 34, 2) if at != 24)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (total ^ 0xFFFF).to_bytes(2, "big")


@every_family
@pytest.mark.parametrize(("vlan", "tags"), [(0, b""), (100, b""), (100, TAG), (0, TAG)])
def test_way_to_the_server_by_scapy(fastpath: Fastpath, family: int, vlan: int, tags: bytes) -> None:
    """Pushed, swapped, popped: made by another hand."""
    flow = flow_of(family)
    put(fastpath, prepare(fastpath, Settings(decrement_ttl=True), 1000), flow, vlan=vlan)
    for size in (0, 6, 100, 1460, 3000):
        frame = frame_of(flow, payload=b"z" * size, tags=tags)
        asked = Ether(frame)
        inner = asked[IP] if family == 4 else asked[IPv6]
        if family == 4:
            inner.ttl -= 1
            del inner.chksum
        else:
            inner.hlim -= 1
        link = Ether(dst=SERVER_MAC.hex(":"), src=NIC_MAC.hex(":"))
        if vlan:
            old = asked[Dot1Q] if tags else Dot1Q()
            link /= Dot1Q(vlan=vlan, prio=old.prio if tags else 0, dei=old.dei if tags else 0)
        assert fastpath.enter(frame).frame == bytes(link / inner)


@every_family
def test_no_room_for_a_tag(fastpath: Fastpath, family: int) -> None:
    """Metadata in front of the frame takes the headroom: by IPVS, unchanged."""
    flow = flow_of(family)
    put(fastpath, prepare(fastpath, Settings(decrement_ttl=True), 1000), flow, vlan=100)
    frame = frame_of(flow)
    for taken in range(200, 256, 4):
        # struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
        words = (taken, taken + len(frame), 0, 0, 0, 0)
        context = b"".join(word.to_bytes(4, "little") for word in words)
        fastpath.moved()
        try:
            run = fastpath.xdp.test_run(bytes(taken) + frame, context=context)
        except KernelError:
            continue
        moved = fastpath.moved()
        if moved.get("adjust_head_errors"):
            assert run.retval == 2
            assert run.data[-len(frame) :] == frame
            assert "total_bypassed_pkts" not in moved
            entry = fastpath.find(flow)
            assert entry
            assert entry.flow.up > 1
            return
        assert run.retval == 3
    pytest.skip("no metadata of that size before Linux 6.8")


@needs_frags
@every_family
@every_tag
def test_multi_buffer_packets(build: Build, family: int, tags: bytes) -> None:
    """Frames of more than a page: led to the server whole, answered in short."""
    flow = flow_of(family)
    with Fastpath(build, sets=16, frags=True) as fastpath:
        for size in (3000, 4096, 8000, 8900, 32_000):
            frame = frame_of(flow, payload=b"\xee" * size, tags=tags)
            reset(fastpath, flow)
            answer = answer_to(fastpath, flow, frame)
            assert not answer_faults(frame, answer)
            for vlan in (0, 100):
                put(fastpath, prepare(fastpath, Settings(), 1000), flow, vlan=vlan)
                outcome = fastpath.enter(frame)
                wanted = to_server(frame, parse(frame)[1], SERVER_MAC + OUR_MAC, vlan, False)
                assert outcome[0] == "XDP_TX"
                assert outcome.frame == wanted


def test_runner_s_frame(fastpath: Fastpath) -> None:
    """A frame is whole again for the next run, whatever the program did to the one before."""
    flow = flow_of(4)
    put(fastpath, prepare(fastpath, Settings(), 1000), flow, vlan=100)
    runner = Runner(fastpath.xdp)
    frame = frame_of(flow)
    assert [runner.run(frame) for _ in range(3)] == [3, 3, 3]
    assert len(runner.frame_after()) == len(frame) + 4
