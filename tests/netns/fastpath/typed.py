"""What the tests of the fast path's commands share: where it is loaded, and all that a command could change."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import Any

from ecbpf.chain.attach import detach
from ecbpf.chain.egress import egress_program
from ecbpf.chain.occupant import look
from ecbpf.chain.pins import egress_folder
from ecbpf.fastpath.programs import EGRESS
from ecbpf.fastpath.running import look_fastpath
from ecbpf.fastpath.status import status_of
from ecbpf.fastpath.verbs import detach_fastpath
from tests.support.slots import slot_ids
from tests.support.typed import done

__all__ = ["INTERFACES", "loaded", "snapshot", "taken_off"]

INTERFACES = ("near0", "far0", "other0", "bare0", "tun0")
_SMALL = "--flows 1000"


def taken_off() -> None:
    """Take all off, pins too."""
    with contextlib.suppress(Exception):
        detach_fastpath()
    for interface in INTERFACES:
        with contextlib.suppress(Exception):
            if look(interface) is not None:
                detach(interface)
    assert not os.path.exists(egress_folder())


def loaded(words: str = "") -> str:
    """Load it as a person does, small, in at near0 and out at far0 by redirect; returns what was said."""
    return done(f"ecbpf fastpath attach -i near0 -o far0 {_SMALL} redirect=on {words}")


def snapshot() -> list[Any]:
    """What is in the slots and at egress of every interface; settings, addresses, flow table."""
    found: list[Any] = []
    for interface in INTERFACES:
        occupant = look(interface)
        egress = egress_program(interface, EGRESS)
        slots = slot_ids(occupant) if occupant is not None and occupant.is_root else None
        found.append((occupant and occupant.program.id, slots, egress and egress.id))
    running = look_fastpath()
    if running is not None:
        found += [replace(status_of(running), counters={}), running.flow_table.info.id]
    return found
