"""A subprogram with settings and counters that belongs to no room: what the kit alone makes of a class."""

from typing import Any

from ecbpf.subprogram.base import StatefulSubprogram
from ecbpf.subprogram.counters import CounterTable
from ecbpf.subprogram.settings import Number, Switch

__all__ = ["attributes", "class_of"]


def attributes(skeleton: Any) -> dict[str, Any]:
    """What its author writes into the class. skeleton: of support/bpf/subprogram/stateful.bpf.c."""
    return {
        "name": "stateful",
        "slot": 3,
        "program": "xdp_stateful_program",
        "command": "python3 stateful.py",
        "skeleton": skeleton,
        "settings": (
            Switch("drop_everything_at_once", False, "drop all packets"),
            Number("length_of_the_longest", 1000, "longer packets are dropped", "number of bytes", 0, 65535),
        ),
        "counters": CounterTable("counters_of_a_long_name", "stateful_counter"),
    }


def class_of(written: dict[str, Any]) -> type[StatefulSubprogram]:
    """The class with these attributes."""
    return type("Stateful", (StatefulSubprogram,), dict(written))
