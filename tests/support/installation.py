"""An installation on near0 as a version's commands make it: four slots and egress in use, and settings changed.

Only commands make, change and show it. Packets reach its programs by what the kernel says runs on the interface;
the subprogram's own counts are read by the names of its pins.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import struct
from typing import Any, NamedTuple

from ecbpf.kernel.globals import map_globals
from ecbpf.kernel.map import open_map
from ecbpf.kernel.program import Program, open_program
from ecbpf.kernel.tc import ClsactFilter, tcx_programs
from ecbpf.kernel.uapi import XDP_DROP, XDP_PASS, XDP_TX
from tests.oracle.fastpath_flows import FlowId
from tests.oracle.fastpath_packets import ROUTER_MAC, SERVER_MAC, TCP, UDP, frame_of
from tests.support.shell import sh
from tests.support.version_before import Version

__all__ = ["FAST", "PACKETS", "READINGS", "Installation", "Packet", "counts_of", "without"]

READINGS = {
    "status": "status -i near0 --json",
    "filter": "filter status -i near0 --json",
    "dropped": "filter list -i near0 --json",
    "allowed": "filter list -i near0 --json --allowed",
    "checked": "filter check -i near0 --json 192.0.2.1 192.0.2.3 2001:db8::1 2001:db8::3 203.0.113.1",
    "fast path": "fastpath show --json",
    "fast path counts": "fastpath stats --json",
    "flows": "fastpath flows --json",
    "excluded": "fastpath exclude list --json",
}

_COMMANDS = """\
filter attach -i near0 ptb_max_pps=55 frags_drop=off
filter drop -i near0 --tag 'a tag' 192.0.2.0/24 2001:db8::/32
filter drop -i near0 --tag 'another tag' 198.18.0.0/15
filter allow -i near0 --tag 'a friend' 192.0.2.3 2001:db8::3
attach -i near0 --slot 3 --filename {subprogram}
printk attach -i near0
fastpath load -i near0 -o near0 --flows 1000 sample_seconds=899 inactive_seconds=900 max_resets_pps=77
"""


class Packet(NamedTuple):
    """One that comes in, and what becomes of it. more: arguments of frame_of()."""

    flow: FlowId
    verdict: int
    more: dict[str, Any]


def _udp(source: str, verdict: int, **more: Any) -> Packet:
    return Packet(_flow(source, "2001:db8:1::10" if ":" in source else "10.0.1.10", UDP), verdict, more)


def _flow(client: str, vip: str, proto: int) -> FlowId:
    return FlowId(ipaddress.ip_address(client).packed, ipaddress.ip_address(vip).packed, 40000, 80, proto)


# Of flows that IPVS has sent to a server; the third is to an address that was excluded afterwards.
FAST = {
    "of a flow": Packet(_flow("198.51.100.7", "10.0.1.10", TCP), XDP_TX, {}),
    "of an IPv6 flow": Packet(_flow("2001:db9::7", "2001:db8:1::10", TCP), XDP_TX, {}),
    "of a flow to an excluded address": Packet(_flow("198.51.100.7", "10.0.1.77", TCP), XDP_PASS, {}),
}
PACKETS = FAST | {
    "from a dropped network": _udp("192.0.2.1", XDP_DROP),
    "from another dropped network": _udp("198.19.0.1", XDP_DROP),
    "from an allowed address in it": _udp("192.0.2.3", XDP_PASS),
    "from a dropped IPv6 network": _udp("2001:db8::1", XDP_DROP),
    "from an allowed IPv6 address in it": _udp("2001:db8::3", XDP_PASS),
    "from anywhere else": _udp("203.0.113.1", XDP_PASS),
    "a fragment": _udp("203.0.113.1", XDP_PASS, fragment=100),
    "with IP options": _udp("203.0.113.1", XDP_DROP, ip_options=b"\x94\x04\0\0"),
}


class Installation:
    """What is on near0 of the network namespace that the caller is in."""

    def __init__(self) -> None:
        link = self._link()
        self._ifindex: int = link["ifindex"]
        self._mac = bytes.fromhex(link["address"].replace(":", ""))
        self._folder = f"/sys/fs/bpf/ecbpf/netns:{os.stat('/proc/thread-self/ns/net').st_ino}"

    def make(self, version: Version, *, generic: bool) -> None:
        """Let a version install everything, and send packets through it, so that no count stays at zero."""
        self.remove()  # the namespace is new: pins of one that is gone, whose inode number it has
        attach = f"attach near0{' --generic' if generic else ''}"
        version.run(attach, *_COMMANDS.format(subprogram=version.subprogram).splitlines())
        for packet in FAST.values():
            self._learn(packet)
        for _ in range(9):  # a flow's first packets go to IPVS
            assert self.verdicts(*FAST) == dict.fromkeys(FAST, XDP_PASS)
        version.run("fastpath exclude add 10.0.1.77")
        assert self.verdicts() == {name: packet.verdict for name, packet in PACKETS.items()}

    def _link(self) -> Any:
        return json.loads(sh("ip -j link show near0"))[0]

    def _egress(self) -> Program:
        at_tcx = tcx_programs(self._ifindex, "egress")
        program_id = at_tcx[0] if at_tcx else ClsactFilter(self._ifindex, "egress").program_id()
        assert program_id is not None
        return open_program(program_id)

    def _learn(self, packet: Packet) -> None:
        """IPVS sends a packet of the flow to a server: one that came in is forwarded, with a firewall mark."""
        context = [0] * 48  # struct __sk_buff, of which these are mark and ingress_ifindex
        context[2], context[9] = 1, self._ifindex
        frame = frame_of(packet.flow, macs=SERVER_MAC + self._mac)
        self._egress().test_run(frame, context=struct.pack("48I", *context))

    def verdicts(self, *names: str) -> dict[str, int]:
        """What happens to one packet of each of these names, see PACKETS; to one of each if none are named."""
        root = open_program(self._root_id())
        return {name: root.test_run(self._frame(PACKETS[name])).retval for name in names or PACKETS}

    def _frame(self, packet: Packet) -> bytes:
        return frame_of(packet.flow, macs=self._mac + ROUTER_MAC, payload=bytes(40), **packet.more)

    def _root_id(self) -> int:
        return int(self._link()["xdp"]["prog"]["id"])

    def program_ids(self) -> dict[str, int]:
        """The ids of the root, of the program at egress, and of those that are pinned in slots."""
        found = {"root": self._root_id(), "egress": self._egress().id}
        for name in os.listdir(os.path.join(self._folder, "near0")):
            if name.startswith("slot"):
                found[name] = open_program(os.path.join(self._folder, "near0", name, "program")).id
        return found

    def pins(self) -> list[str]:
        """The paths of all pins, from the namespace's folder on."""
        return sorted(
            os.path.relpath(os.path.join(folder, name), self._folder)
            for folder, _, names in os.walk(self._folder)
            for name in names
        )

    def own_counts(self) -> dict[str, int]:
        """What the subprogram in slot 3 counted, in its map and in its global variable."""
        folder = os.path.join(self._folder, "near0", "slot3")
        variables = map_globals(open_map(os.path.join(folder, "bss")))
        return {"own map": open_map(os.path.join(folder, "seen"))[0], "own variable": variables.seen_global}

    def read(self, version: Version) -> dict[str, Any]:
        """What each of READINGS says, by its name; with None for what the time alone changes."""
        shown = dict(zip(READINGS, version.read(*READINGS.values()), strict=True))
        reading: dict[str, Any] = without(shown, "load_time", "age", "idle")
        return reading | {"own": self.own_counts()}

    def remove(self) -> None:
        """Take everything off, of whatever version: what is pinned ends with its pin."""
        shutil.rmtree(self._folder, ignore_errors=True)


def without(value: Any, *keys: str) -> Any:
    """`value` with None for what is under these keys, at any depth."""
    if isinstance(value, dict):
        return {key: None if key in keys else without(inner, *keys) for key, inner in value.items()}
    return [without(inner, *keys) for inner in value] if isinstance(value, list) else value


def counts_of(reading: dict[str, Any]) -> dict[str, int]:
    """Every count in what Installation.read() gave, by a name of its own."""
    near = reading["status"]["near0"]
    parts = {f"slot {slot['slot']}": slot["statistics"] for slot in near["subprograms"]}
    parts |= {"root": near["root_statistics"], "all slots": near["statistics"]}
    parts |= {"filter": reading["filter"]["stats"], "fast path": reading["fast path counts"]}
    for flow in reading["flows"]:
        parts[f"flow {flow['client']} {flow['vip']}"] = {name: flow[name] for name in ("bypassed", "up")}
    parts["slot 3"] |= reading["own"]
    return {f"{part}: {name}": count for part, counts in parts.items() for name, count in counts.items()}
