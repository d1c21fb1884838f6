"""What the root arrays of this namespace are doing: as data, and as the table that operators know."""

import time

from ecbpf.chain.contents import programs
from ecbpf.chain.counters import ROOT, VERDICTS, read, totals
from ecbpf.chain.occupant import Occupant, look
from ecbpf.errors import EcbpfError
from ecbpf.netdev.interfaces import ethernet_names, names

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from typing import Any

    from ecbpf.kernel.program import Program

__all__ = ["status", "status_text"]

_HEADER = (
    "SLOT | ID    | NAME                     | LOAD TIME                            | XDP_ABORTED      | "
    "XDP_DROP         | XDP_PASS         | XDP_TX           | XDP_REDIRECT     | XDP_INVALID_ACTION"
)


def status(interfaces: "list[str] | None" = None) -> "dict[str, Any]":
    """The state of each interface, by its name, as `ecbpf status --json` prints it.

    interfaces: those to look at; none: every Ethernet interface, and any other with a root array.
    Raises DataError (no such interface), KernelError.
    """
    every = interfaces if interfaces is not None else names()
    shown = every if interfaces is not None else ethernet_names(every)
    found = {}
    for interface in every:
        try:
            occupant = look(interface)
        except EcbpfError:
            # One that went away since it was listed is no error, one that was asked for is.
            if interfaces is not None or interface in names():
                raise
            continue
        if interface in shown or (occupant is not None and occupant.is_root):
            found[interface] = _of_interface(occupant)
    return found


def _of_interface(occupant: Occupant | None) -> "dict[str, Any]":
    if occupant is None:
        return {"root_loaded": False}
    if not occupant.is_root:
        return {"root_loaded": False, "other_program": occupant.describe()}
    slots = [_of_slot(slot, held, read(occupant, slot)) for slot, held in enumerate(programs(occupant))]
    own = read(occupant, ROOT)
    return {
        "root_loaded": True,
        "mode": occupant.mode,
        "id": occupant.program.id,
        "load_time": _date(occupant.program.load_time),
        "subprograms": slots,
        "root_statistics": own,
        "statistics": totals([own, *(slot["statistics"] for slot in slots)]),
    }


def _of_slot(slot: int, program: "Program | None", counts: dict[str, int]) -> "dict[str, Any]":
    if program is None:
        return {"slot": slot, "prog_loaded": False, "statistics": counts}
    return {
        "slot": slot,
        "prog_loaded": True,
        "id": program.id,
        "name": program.full_name(),
        "load_time": _date(program.load_time),
        "statistics": counts,
    }


def _date(since_boot: int) -> str:
    """Nanoseconds since boot as a date (RFC 5322, section 3.3)."""
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(boot + since_boot / 1e9))


def status_text(states: "dict[str, Any]") -> str:
    """The table of status(), one part an interface, without a final newline."""
    return "\n".join(line for name, state in states.items() for line in _lines(name, state))


def _lines(interface: str, state: "dict[str, Any]") -> list[str]:
    first = f"Interface {interface} status:"
    if not state["root_loaded"]:
        other = [state["other_program"] + "."] if "other_program" in state else []
        return [first, f"Root array not attached to interface {interface}.", *other]
    own = ", ".join(f"{verdict} {state['root_statistics'][verdict]}" for verdict in VERDICTS)
    return [
        first,
        _HEADER,
        *(_row(slot) for slot in state["subprograms"]),
        f"Mode {state['mode']}; the root itself (ID {state['id']}, loaded {state['load_time']}): {own}",
    ]


def _row(slot: "dict[str, Any]") -> str:
    cells = [f"{slot['slot']:>4}", f"{slot.get('id', '-'):>5}", f"{slot.get('name', '-'):<24}"]
    cells.append(f"{slot.get('load_time', '-'):<36}")
    cells += [f"{slot['statistics'][verdict]:>16}" for verdict in VERDICTS]
    return " | ".join(cells)
