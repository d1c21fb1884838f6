"""The two programs of the fast path: how they are set up, and the maps that all of them share."""

from __future__ import annotations

import ctypes
import errno
import secrets
import time
from typing import NamedTuple

from ecbpf.chain.occupant import kernel_name
from ecbpf.chain.settings import Settings
from ecbpf.chain.sharing import share_own
from ecbpf.chain.subprogram import Subprogram
from ecbpf.errors import EcbpfError, KernelError
from ecbpf.fastpath.settings import SECTION, TABLE
from ecbpf.kernel.globals import Globals, map_globals
from ecbpf.kernel.map import Map
from ecbpf.kernel.object import Object
from ecbpf.netdev.links import NetLink
from ecbpf.paths import object_path

__all__ = [
    "CONSTANTS",
    "DEFAULT_FLOWS",
    "DIRECTOR",
    "EGRESS",
    "FLOWS",
    "INGRESS",
    "SLOT",
    "Ingress",
    "Port",
    "load_egress",
    "made_for",
    "sets_for",
    "ticks_a_second",
]

SLOT = 7
INGRESS, EGRESS = "xdp_fastpath_prog", "tc_fastpath_prog"
FLOWS, CPUS, LOCAL, PORTS = (f"fastpath_{name}" for name in ("flows", "cpus", "local", "ports"))
DIRECTOR, CONSTANTS = ".data.director", ".rodata"

DEFAULT_FLOWS = 1_000_000
_WAYS = 8  # FLOW_WAYS in table.h
_PLACES_A_FLOW = 2
# One for all programs of a director; ingress has no locks.
_SHARED = (FLOWS, CPUS, LOCAL, SECTION, DIRECTOR)
_CLOCK_MONOTONIC_COARSE = 6  # <linux/time.h>


class Port(NamedTuple):
    """By what packets leave: the ifindex of the NIC or bond, and their VLAN there, 0 for none."""

    ifindex: int
    vlan: int


def sets_for(flows: int) -> int:
    """How many sets a table for that many flows has."""
    return -(-flows * _PLACES_A_FLOW // _WAYS)


def made_for(sets: int) -> int:
    """The number of flows that a table of that many sets is made for."""
    return sets * _WAYS // _PLACES_A_FLOW


def ticks_a_second() -> int:
    """The kernel's HZ: the coarse clocks tick with it (clock_getres(2), hrtimer_resolution aside)."""
    return round(1 / time.clock_getres(_CLOCK_MONOTONIC_COARSE))


def load_egress(port: Port, running: dict[str, Map], flows: int | None, new_settings: Settings) -> Object:
    """The egress program for interfaces of a port, loaded and attached nowhere yet.

    running: the director's maps, see maps_of(), to go on with; none: it makes new ones. flows: what the table is
    made for, None: as the running one. new_settings: how new ones begin where they are not the defaults.
    Raises VerifierError, EcbpfError (no memory for the table), KernelError.
    """
    new = Object.open(object_path("fastpath_egress"))
    sets = _sets(running, flows)
    try:
        new.resize_map(FLOWS, sets)
        new.globals.flow_sets = sets
        new.globals.ticks_a_second = ticks_a_second()
        new.globals.egress_port, new.globals.egress_vlan = port
        new.globals.hash_seed = secrets.randbits(64)
        TABLE.write(new.globals, new_settings)
        share_own(new, running, but=() if _same_format(new, running) else (FLOWS,))
        new.load()
    except BaseException as error:
        new.close()
        if isinstance(error, KernelError) and error.errno == errno.ENOMEM:
            raise EcbpfError("flow table", f"no memory for {made_for(sets)} flows", "--flows fewer") from None
        raise
    return new


def _sets(running: dict[str, Map], flows: int | None) -> int:
    if flows is not None:
        return sets_for(flows)
    return running[FLOWS].info.max_entries if FLOWS in running else sets_for(DEFAULT_FLOWS)


def _same_format(new: Object, running: dict[str, Map]) -> bool:
    """Whether the flows of a running table mean the same to the new program (layout.h)."""
    constants = running.get(CONSTANTS)
    theirs = getattr(map_globals(constants), "fastpath_layout", None) if constants is not None else None
    return theirs is not None and theirs.format == new.globals.fastpath_layout.format


class Ingress(Subprogram):
    """Sends packets of known flows to their servers."""

    name = "fast path"
    slot = SLOT
    object = object_path("fastpath_ingress")
    program = INGRESS
    # What is the director's comes from egress; the rest is made anew as the interfaces are now.
    fresh_maps = (*_SHARED, PORTS, ".data.nic")

    def __init__(self, shared: dict[str, Map], nic: NetLink, port: Port, ports: set[int]) -> None:
        """shared: the director's maps. nic: the interface. port: of it. ports: where redirected packets may go."""
        self._shared = shared
        self._nic = nic
        self._port = port
        self._ports = ports

    def configure(self, new: Object, interface: str) -> None:
        """Share the director's maps, and say what the NIC is. Raises KernelError."""
        for name in _SHARED:
            new.share_map(name, self._shared[kernel_name(name)])
        new.globals.flow_sets = self._shared[FLOWS].info.max_entries
        new.globals.ticks_a_second = ticks_a_second()
        set_nic(new.globals, self._nic, self._port)

    def loaded(self, new: Object) -> None:
        """Fill the map of ports. Raises KernelError."""
        for ifindex in self._ports:
            new.maps[PORTS][ifindex] = ifindex


def set_nic(live: Globals, nic: NetLink, port: Port) -> None:
    """Tell an ingress program its NIC's address. live: its section ``.data.nic``."""
    value = type(live.nic)()
    ctypes.memmove(ctypes.addressof(value) + type(value).mac.offset, nic.mac, len(nic.mac))
    value.port = port.ifindex
    live.nic = value
