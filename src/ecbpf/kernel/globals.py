"""The global variables of a kernel program, by name.

Before the object is loaded they are the initial values. After it .data and .bss are the running program's own
memory, mapped: a store here applies to the next packet, with no system call. .rodata is fixed by the load.
The memory lives as long as something here refers to it, even when the object is closed and the program gone.
"""

from __future__ import annotations

import ctypes

from ecbpf.errors import DataError
from ecbpf.kernel.uapi import BPF_F_MMAPABLE, BPF_F_RDONLY_PROG
from ecbpf.kernel.values import decode, encode

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ecbpf.kernel.btf import Btf
    from ecbpf.kernel.map import Map
    from ecbpf.kernel.records import Type

__all__ = ["Globals", "map_globals"]


class Globals:
    """Variables as attributes: ``globals.min_ttl = 5``. A struct or array is live too: change its members."""

    _variables: dict[str, tuple[Any, bool]]

    def __init__(self) -> None:
        object.__setattr__(self, "_variables", {})

    def _add(self, btf: Btf, section: Type, memory: Any, *, writable: bool) -> None:
        """Add the variables of a data section that lies in `memory` (a buffer), replacing any of the same name."""
        for variable in section.detail:
            record = btf.types[variable.type_id]
            ctype = btf.ctype(record.size_or_type)
            self._variables[record.name] = (ctype.from_buffer(memory, variable.offset), writable)

    def __getattr__(self, name: str) -> Any:
        try:
            return decode(self._variables[name][0])
        except KeyError:
            raise AttributeError(f"the program has no global {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._variables:
            raise AttributeError(f"the program has no global {name!r}")
        variable, writable = self._variables[name]
        if not writable:
            raise DataError(name, "is fixed by the load", "set it before load(), or remove const in the C")
        raw = encode(type(variable), value)
        ctypes.memmove(ctypes.byref(variable), ctypes.byref(raw), ctypes.sizeof(variable))

    def adopt(self, other: Globals) -> None:
        """Take over the values of the variables that `other` has with the same name and size."""
        for name, (variable, writable) in self._variables.items():
            theirs = other._variables.get(name)
            if writable and theirs is not None and ctypes.sizeof(theirs[0]) == ctypes.sizeof(variable):
                ctypes.memmove(ctypes.byref(variable), ctypes.byref(theirs[0]), ctypes.sizeof(variable))

    def __contains__(self, name: object) -> bool:
        return name in self._variables

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)


def map_globals(section: Map, into: Globals | None = None) -> Globals:
    """The variables in a section's map (``.data``, ``.bss``, ``.rodata``) of a running program, live.

    into: add them to these. Raises DataError if the map is not a section with BTF, KernelError.
    """
    found = into if into is not None else Globals()
    record = None
    if section.btf is not None and section.info.btf_value_type_id:
        record = section.btf.types[section.info.btf_value_type_id]
    if section.btf is None or record is None or record.kind != "DATASEC":
        raise DataError(f"map {section.name}", "holds no global variables")
    # libbpf does not make a section mappable in which all variables are static.
    is_live = bool(section.info.map_flags & BPF_F_MMAPABLE) and not section.info.map_flags & BPF_F_RDONLY_PROG
    found._add(section.btf, record, section.memory() if is_live else _copy(section), writable=is_live)
    return found


def _copy(section: Map) -> Any:
    return (ctypes.c_char * section.info.value_size).from_buffer_copy(bytes(section.get(0)))
