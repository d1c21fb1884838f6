"""The two programs of the fast path: how they are set up, and the maps that all of them share."""

from __future__ import annotations

import errno
import secrets
import time

from ecbpf.chain.sharing import share_own
from ecbpf.errors import EcbpfError, KernelError
from ecbpf.fastpath.settings import TABLE
from ecbpf.kernel.map import Map, kernel_name
from ecbpf.kernel.object import Object
from ecbpf.netdev.links import Egress, NetLink
from ecbpf.objects.fastpath_egress import FastpathEgressBpf
from ecbpf.objects.fastpath_ingress import FastpathIngressBpf
from ecbpf.subprogram.base import StatefulSubprogram
from ecbpf.subprogram.counters import CounterTable
from ecbpf.subprogram.settings import Values

__all__ = [
    "DEFAULT_FLOWS",
    "EGRESS",
    "FLOWS",
    "INGRESS",
    "SLOT",
    "Ingress",
    "load_egress",
    "made_for",
    "sets_for",
    "ticks_per_second",
]

SLOT = 7
INGRESS, EGRESS = "xdp_fastpath_prog", "tc_fastpath_prog"
FLOWS = "fastpath_flows"

DEFAULT_FLOWS = 1_000_000
_WAYS = 8  # FLOW_WAYS in table.h
_ENTRIES_PER_FLOW = 2
_CLOCK_MONOTONIC_COARSE = 6  # <linux/time.h>


def sets_for(flows: int) -> int:
    """How many sets a table for that many flows has."""
    return -(-flows * _ENTRIES_PER_FLOW // _WAYS)


def made_for(sets: int) -> int:
    """The number of flows that a table of that many sets is made for."""
    return sets * _WAYS // _ENTRIES_PER_FLOW


def ticks_per_second() -> int:
    """The kernel's HZ: the coarse clocks tick with it (clock_getres(2), hrtimer_resolution aside)."""
    return round(1 / time.clock_getres(_CLOCK_MONOTONIC_COARSE))


def load_egress(
    egress: Egress, running: dict[str, Map], flows: int | None, new_settings: Values
) -> FastpathEgressBpf:
    """The egress program for an egress interface, loaded and not attached yet.

    running: the maps of the running fast path (see maps_of()), which it shares; empty: it makes new ones. flows:
    how many the table is made for, None: as many as the running one. new_settings: initial settings of new maps,
    where they are not the defaults. Raises VerifierError, EcbpfError (no memory for the table), KernelError.
    """
    new = FastpathEgressBpf()
    sets = _sets(running, flows)
    try:
        new.object.resize_map(FLOWS, sets)
        new.fixed.flow_sets = sets
        new.fixed.ticks_a_second = ticks_per_second()
        new.fixed.egress_ifindex, new.fixed.egress_vlan = egress
        new.live.hash_seed = secrets.randbits(64)
        TABLE.write(new.object.globals, new_settings)
        share_own(new.object, running, but=() if _same_format(new, running) else (FLOWS,))
        new.load()
    except BaseException as error:
        new.close()
        if isinstance(error, KernelError) and error.errno == errno.ENOMEM:
            why = f"not enough memory for {made_for(sets)} flows"
            raise EcbpfError("flow table", why, "give a lower number with --flows") from None
        raise
    return new


def _sets(running: dict[str, Map], flows: int | None) -> int:
    if flows is not None:
        return sets_for(flows)
    return running[FLOWS].info.max_entries if FLOWS in running else sets_for(DEFAULT_FLOWS)


def _same_format(new: FastpathEgressBpf, running: dict[str, Map]) -> bool:
    """Whether the flows of a running table mean the same to the new program (layout.h)."""
    theirs = FastpathEgressBpf.Fixed(running)
    return "fastpath_layout" in theirs and theirs.fastpath_layout.format == new.fixed.fastpath_layout.format


class Ingress(StatefulSubprogram):
    """Sends packets of known flows to their servers."""

    name = "fast path"
    command = "ecbpf fastpath"
    metric = "xdp.bypass_ipvs"
    slot = SLOT
    skeleton = FastpathIngressBpf
    program = INGRESS
    table = TABLE
    settings = tuple(TABLE.rows.values())
    # The value has more than counts, and clear() writes it whole: a packet's change to what the limits remember
    # may be lost. One measurement of the rate, or the RSTs of an eighth of a second, are a little off then.
    counters = CounterTable("fastpath_cpus", "fastpath_counter", member="count")
    maps = (FLOWS, "fastpath_local", ".data.director")

    def __init__(self, shared: dict[str, Map], nic: NetLink, egress: Egress, targets: set[int]) -> None:
        """shared: maps of the egress program. nic: the interface, and how packets leave by it.

        targets: ifindexes of the interfaces that packets may be redirected to.
        """
        super().__init__()
        self._shared = shared
        self._nic = nic
        self._egress = egress
        self._targets = targets
        # Shared with egress, or made anew as the interfaces are now.
        self.fresh_maps = (*self.needed_maps(), "fastpath_ports", ".data.nic")

    def configure(self, new: Object, interface: str) -> None:
        """Share the maps of the egress program, and describe the NIC. Raises KernelError."""
        super().configure(new, interface)
        for name in self.needed_maps():
            new.share_map(name, self._shared[kernel_name(name)])
        ingress = FastpathIngressBpf(new)
        ingress.fixed.flow_sets = self._shared[FLOWS].info.max_entries
        ingress.fixed.ticks_a_second = ticks_per_second()
        ingress.live.nic.mac[:] = self._nic.mac
        ingress.live.nic.ifindex = self._egress.ifindex

    def loaded(self, new: Object) -> None:
        """Fill the map of redirect targets. Raises KernelError."""
        targets = FastpathIngressBpf(new).maps.fastpath_ports
        for ifindex in self._targets:
            targets[ifindex] = ifindex

    @classmethod
    def attach_command(cls, interface: str = "") -> str:
        """It needs interfaces for egress too."""
        return f"{super().attach_command(interface)} -o IFACES"

    @classmethod
    def replace_hint(cls, interface: str = "") -> str:  # noqa: ARG003
        """An attach goes on with the maps of the running one, which it has to know."""
        return "ecbpf fastpath detach, and attach it again"
