"""Whether the Python class of a subprogram fits its C, checked before anything is attached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ecbpf.errors import DataError
from ecbpf.kernel.globals import Globals
from ecbpf.subprogram.counters import END
from ecbpf.subprogram.settings import Number, Setting

__all__ = ["check_class", "check_settings"]

_REQUIRED = ("name", "slot", "program", "command")


def check_class(kind: Any) -> None:
    """kind: a StatefulSubprogram. Its names are compared with those in its skeleton, if it has one.

    Raises DataError: an attribute is missing, or the C has no program, variable, map or enum of a name.
    """
    for attribute in _REQUIRED:
        if getattr(kind, attribute, "") == "":
            raise _error(kind, f"has no {attribute}", f"set {attribute} in the class")
    if not isinstance(kind.settings, tuple):
        raise _error(kind, "settings is not a tuple", "end a single row with a comma: settings = (Number(…),)")
    skeleton = getattr(kind, "skeleton", None)
    if skeleton is None:
        if not kind.object:
            raise _error(kind, "has no skeleton", "set skeleton in the class: python3 -m ecbpf.build --skeleton")
        return
    _check_names(kind, "program", [kind.program], skeleton.Programs)
    _check_names(kind, "variable", [row.name for row in kind.settings], skeleton.Live)
    counters = kind.counters
    _check_names(kind, "map", [*kind.maps, *([counters.map_name] if counters else [])], skeleton.Maps)
    if counters:
        _check_enum(kind, counters.enum)


def _check_names(kind: Any, what: str, names: Iterable[str], view: Any) -> None:
    for name in names:
        if not name.startswith(".") and name not in view.__annotations__:
            there = ", ".join(view.__annotations__) or "none"
            raise _error(kind, f"{kind.skeleton.source} has no {what} {name}", f"its {what}s: {there}")


def _check_enum(kind: Any, name: str) -> None:
    enumerators = getattr(kind.skeleton, name, None)
    if enumerators is None:
        raise _error(
            kind, f"{kind.skeleton.source} has no enum {name}", "give COUNTERS() and CounterTable() the same name"
        )
    if not any(member.endswith(END) for member in enumerators.__members__):
        raise _error(kind, f"enum {name} does not end", f"its last enumerator is PREFIX_{END}")


def check_settings(kind: Any, initial: Globals, *, is_own: bool) -> None:
    """Compare the rows with the variables of an object that is not loaded yet.

    is_own: it is the one in the skeleton, and not of another version. Raises DataError: a range that the variable
    does not hold, another default.
    """
    for row in kind.settings:
        if row.name in initial:
            default = getattr(initial, row.name)
            _check_range(kind, row, initial)
            setattr(initial, row.name, default)
            if is_own and default != row.default:
                raise _error(kind, f"{row.name} is {row.default} in the class", f"it is {int(default)} in the C")


def _check_range(kind: Any, row: Setting, initial: Globals) -> None:
    for value in (row.low, row.high) if isinstance(row, Number) else ():
        try:
            setattr(initial, row.name, value)
        except DataError:
            why = f"{row.name} may be {value} in the class, which its variable cannot hold"
            raise _error(kind, why, "give it another range, or another type") from None


def _error(kind: Any, why: str, hint: str) -> DataError:
    return DataError(f"class {kind.__name__}", why, hint)
