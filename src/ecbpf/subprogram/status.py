"""The status of a running subprogram."""

from __future__ import annotations

from dataclasses import dataclass

from ecbpf.subprogram.running import Running
from ecbpf.subprogram.settings import Values

__all__ = ["SubprogramStatus", "status_of"]


@dataclass(frozen=True)
class SubprogramStatus:
    """A subprogram on one interface: its id, load time (seconds since 1970), settings and counters."""

    interface: str
    slot: int
    program_id: int
    load_time: float
    settings: Values
    counters: dict[str, int]


def status_of(running: Running) -> SubprogramStatus:
    """The status of a running subprogram. Raises KernelError."""
    return SubprogramStatus(
        interface=running.interface,
        slot=running.kind.slot,
        program_id=running.program.id,
        load_time=running.program.load_date,
        settings=running.settings,
        counters=running.counters(),
    )
