"""The base classes of the modules that ``python3 -m ecbpf.build --skeleton`` writes.

Such a module has one class for one C file: a Skeleton, whose maps, global variables and programs are attributes.
They are declared for people, editors and mypy. Offsets and types of values come at run time from the BTF of the
object or of the running program: a newer command reads an older program correctly.
"""

from __future__ import annotations

import binascii
import zlib

from ecbpf.errors import EcbpfError
from ecbpf.kernel.globals import Globals, map_globals
from ecbpf.kernel.map import kernel_name
from ecbpf.kernel.object import Object

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from _ctypes import _CData as _Data  # not ctypes.Structure, which has every attribute
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Any, ClassVar, Self

    from ecbpf.kernel.map import Map

    Source = Object | Mapping[str, Map]
else:
    _Data = object

__all__ = ["FixedView", "LiveView", "MapView", "ProgramView", "Skeleton", "Struct", "VersionError"]

_ATTACH = "attach it again"


class VersionError(EcbpfError):
    """The program's version lacks a map or global variable that this version of the command uses."""


class Struct(_Data):
    """The type of a C struct or union, for annotations; values are ctypes structures made from BTF."""

    def __new__(cls) -> Self:
        """Raises TypeError: maps and variables take a tuple of the members, or bytes."""
        raise TypeError(f"{cls.__name__} is for annotations: give a tuple of the members, or bytes")


class View:
    """Named parts of a program as attributes, which the subclass in a generated module declares."""

    __slots__ = ("_hint", "_source")
    _kind: ClassVar[str]
    _source: Source
    _hint: str

    def __init__(self, source: Source, *, hint: str = _ATTACH) -> None:
        """source: an object, or the maps of a running program as chain.occupant.maps_of() gives them.

        hint: what to do if the running program lacks something, for the error.
        """
        object.__setattr__(self, "_source", source)
        object.__setattr__(self, "_hint", hint)

    def _find(self, name: str) -> Any:
        """The part of that name, None if the source lacks it."""
        raise NotImplementedError

    def _get(self, name: str) -> Any:
        self._check(name)
        found = self._find(name)
        if found is None:
            raise self._lacks(name)
        return found

    def _check(self, name: str) -> None:
        if name not in type(self).__annotations__:
            raise AttributeError(f"{type(self).__qualname__} has no {name!r}")

    def _lacks(self, name: str) -> EcbpfError:
        what = f"{self._kind} {name}"
        if not isinstance(self._source, Object):
            return VersionError(what, "the running program is of a version without it", self._hint)
        if name in (*self._source.map_names, *self._source.program_names):
            return EcbpfError(what, f"{self._source.name} is not loaded", "call load() first")
        return VersionError(what, f"{self._source.name} is of a version without it", "compile it again")

    def __contains__(self, name: object) -> bool:
        return name in type(self).__annotations__ and self._find(str(name)) is not None

    def __iter__(self) -> Iterator[str]:
        return (name for name in type(self).__annotations__ if name in self)

    # Hidden from type checkers, which would take every name for an attribute.
    if not TYPE_CHECKING:

        def __getattr__(self, name):
            return self._get(name)

        def __setattr__(self, name, value):
            self._set(name, value)

    def _set(self, name: str, value: Any) -> None:
        self._check(name)
        raise AttributeError(f"{type(self).__qualname__}.{name} cannot be replaced")


class MapView(View):
    """The maps of a loaded object or a running program."""

    __slots__ = ()
    _kind = "map"

    def _find(self, name: str) -> Map | None:
        maps: Mapping[str, Map] = self._source.maps if isinstance(self._source, Object) else self._source
        found = maps.get(name)
        return found if found is not None else maps.get(kernel_name(name))


class ProgramView(View):
    """The programs of a loaded object."""

    __slots__ = ()
    _kind = "program"

    def _find(self, name: str) -> Any:
        return self._source.programs.get(name) if isinstance(self._source, Object) else None


class _Variables(View):
    __slots__ = ("_globals",)
    _kind = "global variable"
    _sections: ClassVar[tuple[str, ...]]
    _globals: Globals

    def __init__(self, source: Source, *, hint: str = _ATTACH) -> None:
        """Arguments as for every view. Raises KernelError."""
        super().__init__(source, hint=hint)
        if isinstance(source, Object):
            found = source.globals
        else:
            found = Globals()
            for name, section in source.items():
                # libbpf gives sections without named variables no type: .rodata.str1.1.
                if kernel_name(name).startswith(self._sections) and section.info.btf_value_type_id:
                    map_globals(section, found)
        object.__setattr__(self, "_globals", found)

    def _find(self, name: str) -> Any:
        return getattr(self._globals, name) if name in self._globals else None

    def _set(self, name: str, value: Any) -> None:
        self._check(name)
        if name not in self._globals:
            raise self._lacks(name)
        setattr(self._globals, name, value)


class LiveView(_Variables):
    """The variables that can be changed while the program runs: a store applies to the next packet."""

    __slots__ = ()
    _sections = (".data", ".bss")


class FixedView(_Variables):
    """The constants: set before load(), read only from then on (DataError)."""

    __slots__ = ()
    _sections = (".rodata",)


class Skeleton:
    """The object file embedded in a generated module, opened; the subclass there declares its parts.

    `source` is the C file's name. `live` and `fixed` are initial values before load(); `maps` and `programs`
    exist after it. `object` has the rest: sharing and resizing maps. A ``with`` block closes it at the end.
    """

    source: ClassVar[str]
    packed: ClassVar[bytes]

    Maps: ClassVar[type[MapView]]
    Live: ClassVar[type[LiveView]]
    Fixed: ClassVar[type[FixedView]]
    Programs: ClassVar[type[ProgramView]]

    maps: MapView
    live: LiveView
    fixed: FixedView
    programs: ProgramView

    def __init__(self, opened: Object | None = None) -> None:
        """opened: an object to use through these attributes, instead of the one in this module."""
        self.object = opened if opened is not None else Object(self.image(), self.source)
        self.maps = self.Maps(self.object)
        self.live = self.Live(self.object)
        self.fixed = self.Fixed(self.object)
        self.programs = self.Programs(self.object)

    @classmethod
    def image(cls) -> bytes:
        """The object file: ELF."""
        return zlib.decompress(binascii.a2b_base64(cls.packed))

    def load(self, *, frags: bool = False) -> None:
        """Load maps and programs into the kernel, see Object.load()."""
        self.object.load(frags=frags)

    def close(self) -> None:
        """Free the object, see Object.close(). A second call does nothing."""
        self.object.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
