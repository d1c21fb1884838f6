"""A kernel program as a typed Python module: the object file, and its parts as attributes.

As ``bpftool gen skeleton`` makes for C. kernel/skeleton.py has the base classes of such a module.
"""

from __future__ import annotations

import binascii
import json
import os
import re
import tempfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

from ecbpf.build.clang import compile_object
from ecbpf.build.declare import Structs, bare, camel_case, declaration, is_identifier, parts_of
from ecbpf.build.docstring import docstring, value_text
from ecbpf.errors import BusyError, DataError, UsageError
from ecbpf.kernel import skeleton
from ecbpf.kernel.object import Object
from ecbpf.kernel.uapi import MAP_PROG_ARRAY, MAP_RINGBUF, MAPS_OF_FDS, PERCPU_MAPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecbpf.build.declare import Part
    from ecbpf.kernel.records import Type

__all__ = ["build_skeleton", "module_path", "skeleton_module"]

# enum bpf_map_type, <linux/bpf.h>
_KINDS = {
    1: "Hash",
    2: "Array",
    3: "Array of programs",
    4: "Perf event array",
    5: "Per-CPU hash",
    6: "Per-CPU array",
    7: "Stack traces",
    8: "Cgroup array",
    9: "LRU hash",
    10: "Per-CPU LRU hash",
    11: "LPM trie",
    12: "Array of maps",
    13: "Hash of maps",
    14: "Device array",
    15: "Socket array",
    16: "CPU array",
    17: "AF_XDP socket array",
    18: "Socket hash",
    22: "Queue",
    23: "Stack",
    25: "Device hash",
    27: "Ring buffer",
    30: "Bloom filter",
    31: "User ring buffer",
}
_MADE = "made by python3 -m ecbpf.build --skeleton"
_GLOBAL = 1  # BTF_VAR_GLOBAL_ALLOCATED
_LINE = 57  # bytes, which base64 turns into a line of 76 characters
_RESERVED = {*dir(skeleton.Skeleton), *skeleton.Skeleton.__annotations__, "object"}


def module_path(source: str) -> str:
    """The default path of the module for a C file: beside it, ttl_bpf.py for ttl.bpf.c."""
    folder, name = os.path.split(source)
    return os.path.join(folder, f"{_python_name(name)}.py")


def _python_name(name: str) -> str:
    return re.sub(r"\W", "_", name.removesuffix(".c"), flags=re.ASCII)


def build_skeleton(source: str, output: str, *, debug: bool = False) -> str:
    """Compile `source` and write its module to `output`; returns clang's warnings.

    debug: keep the ecbpf_debug() lines. Raises what compile_object() and skeleton_module() raise, UsageError if
    `output` is not a valid module name, BusyError if it is a file that this function did not write, OSError.
    """
    stem, extension = os.path.splitext(os.path.basename(output))
    if extension != ".py" or not is_identifier(stem):
        raise UsageError(output, "Python cannot import a file of this name", "-o NAME.py: letters, digits, _")
    if os.path.exists(output) and not _is_skeleton(output):
        raise BusyError(output, "a file that is not a skeleton is there", "-o NAME.py: write another file")
    with tempfile.TemporaryDirectory(prefix="ecbpf-") as folder:
        compiled = os.path.join(folder, "skeleton.bpf.o")
        warnings = compile_object(source, compiled, debug=debug)
        with open(compiled, "rb") as file:
            image = file.read()
    text = skeleton_module(image, os.path.basename(source))
    with open(output, "w", encoding="utf-8") as module:
        module.write(text)
    return warnings


def _is_skeleton(path: str) -> bool:
    with open(path, encoding="utf-8", errors="replace") as module:
        return _MADE in module.readline()


def skeleton_module(image: bytes, source: str) -> str:
    """The text of the module. image: the object file. source: the name of its C file.

    Raises DataError if it is not a BPF object with BTF, or a name in it is not valid in Python.
    """
    with Object(image, source) as opened:
        return _Module(opened, image, source).text()


class _Attribute(NamedTuple):
    name: str
    annotation: str
    words: str


class _Module:
    def __init__(self, opened: Object, image: bytes, source: str) -> None:
        self._object = opened
        self._btf = opened.btf
        self._image = image
        self._source = source
        self._class = camel_case(_python_name(source))
        self._structs = Structs(opened.btf)
        if not is_identifier(self._class):
            raise DataError(source, "no Python class can be named after it", "begin the name with a letter")

    def text(self) -> str:
        """The whole module."""
        # First, since this collects the structs.
        views = [
            *self._view(skeleton.MapView, "Maps", "The maps", self._maps()),
            *self._view(skeleton.LiveView, "Live", "The variables that can be changed", self._live()),
            *self._view(skeleton.FixedView, "Fixed", "The constants, fixed by the load", self._fixed()),
            *self._view(skeleton.ProgramView, "Programs", "The programs", self._programs()),
        ]
        enums = [record for record in self._btf.types if record.kind in ("ENUM", "ENUM64") and record.name]
        self._check_names(enums)
        blocks = [
            self._head(bool(enums)),
            *map(self._enum, enums),
            *(self._struct(type_id, name) for type_id, name in self._structs.names.items()),
            self._packed(),
            self._skeleton(views, enums),
        ]
        return "\n\n\n".join("\n".join(block) for block in blocks) + "\n"

    def _head(self, has_enums: bool) -> list[str]:
        words = f"{self._source} as Python, made by python3 -m ecbpf.build --skeleton: change the C, not this."
        return [
            *docstring(words, indent=""),
            "",
            "from __future__ import annotations",
            "",
            *(["import enum", ""] if has_enums else []),
            "from ecbpf.kernel import skeleton",
            "",
            "TYPE_CHECKING = False  # typing's own costs its import",
            "if TYPE_CHECKING:",
            "    from ecbpf.kernel import typed",
        ]

    def _check_names(self, enums: list[Type]) -> None:
        """Raise DataError where two C types become one class, or an enum hides an attribute."""
        seen = {self._class: self._source}
        types = [(record.name, camel_case(record.name)) for record in enums]
        types += [(self._btf.types[type_id].name or name, name) for type_id, name in self._structs.names.items()]
        for name, class_name in types:
            if class_name in seen:
                why = f"{seen[class_name]} and {name} both become the class {class_name}"
                raise DataError(self._source, why, "rename one")
            if not is_identifier(class_name):
                raise DataError(f"{self._source}, {name}", "no Python class can have this name", "rename it")
            seen[class_name] = name
        for record in enums:
            if record.name in _RESERVED:
                why = f"enum {record.name} hides an attribute that every skeleton has"
                raise DataError(self._source, why, "rename it")

    def _view(self, base: type[skeleton.View], name: str, words: str, parts: list[_Attribute]) -> list[str]:
        """A nested class."""
        lines = [
            f"class {name}(skeleton.{base.__name__}):",
            *docstring(f"{words}." if parts else f"{words}: none."),
        ]
        for part in parts:
            if not is_identifier(part.name) or hasattr(base, part.name):
                raise DataError(
                    f"{self._source}, {part.name}", "no Python attribute can have this name", "rename it"
                )
            lines += ["", _attribute(part.name, part.annotation, parts), *docstring(part.words)]
        return ["", *(f"    {line}" if line else "" for line in lines)]

    def _maps(self) -> list[_Attribute]:
        found = []
        for record in self._in_section(self._btf.find(".maps", "DATASEC")):
            definition = self._btf.types[bare(self._btf, record.size_or_type)]
            found.append(self._map(record.name, {part.name: part.type_id for part in definition.detail}))
        return found

    def _map(self, name: str, members: dict[str, int]) -> _Attribute:
        """members: the type ids of its definition's members (bpf_helpers.h: __type, __uint), by name."""
        kind, key_size, value_size, entries = self._object.map_shape(name)
        words = _KINDS.get(kind, f"Map of type {kind}")
        if kind == MAP_RINGBUF:
            return _Attribute(name, "typed.Map", f"{words} of {entries} bytes.")
        key, key_words = self._map_part(name, members.get("key"), key_size)
        value, value_words = self._map_part(name, members.get("value"), value_size)
        if kind in MAPS_OF_FDS:
            value, value_words = "int", "program" if kind == MAP_PROG_ARRAY else "map"
        generic = "PerCpuMapOf" if kind in PERCPU_MAPS else "MapOf"
        return _Attribute(
            name, f"typed.{generic}[{key}, {value}]", f"{words} of {entries}, {key_words} -> {value_words}."
        )

    def _map_part(self, name: str, pointer: int | None, size: int) -> tuple[str, str]:
        """Annotation and C type of a key or value. pointer: the member's type, None if only its size is known."""
        if pointer is None:
            return ("int" if size in (1, 2, 4, 8) else "typed.Array[int]"), f"{size} bytes"
        type_id = self._btf.types[bare(self._btf, pointer)].size_or_type
        return self._structs.annotation(type_id, name), declaration(self._btf, type_id)

    def _live(self) -> list[_Attribute]:
        return self._variables((".data", ".bss"))

    def _fixed(self) -> list[_Attribute]:
        return self._variables((".rodata",))

    def _variables(self, sections: tuple[str, ...]) -> list[_Attribute]:
        """The global variables of these sections, without static ones."""
        return [
            self._variable(record, section.name)
            for section in self._btf.types
            if section.kind == "DATASEC" and section.name.startswith(sections)
            for record in self._in_section(section)
            if record.detail == _GLOBAL
        ]

    def _in_section(self, section: Type | None) -> list[Type]:
        """The variables of a section, by offset."""
        variables = section.detail if section is not None else []
        return [self._btf.types[each.type_id] for each in sorted(variables, key=lambda each: int(each.offset))]

    def _variable(self, record: Type, section: str) -> _Attribute:
        type_id = record.size_or_type
        annotation = self._structs.annotation(type_id, record.name)
        if annotation not in ("int", "bool", "float", "bytes"):
            annotation = f"typed.Compound[{annotation}]"
        initial = value_text(getattr(self._object.globals, record.name))
        words = f"{declaration(self._btf, type_id, record.name)} in {section}, initially {initial}."
        return _Attribute(record.name, annotation, words)

    def _programs(self) -> list[_Attribute]:
        names = self._object.program_names
        return [
            _Attribute(name, "typed.Program", f'SEC("{self._object.program_section(name)}").') for name in names
        ]

    def _enum(self, record: Type) -> list[str]:
        usable = {name: value for name, value in record.detail.items() if is_identifier(name) and name != "mro"}
        others = [f"{name} = {value}" for name, value in record.detail.items() if name not in usable]
        words = f"enum {record.name}; not here: {', '.join(others)}." if others else f"enum {record.name}."
        lines = [f"class {camel_case(record.name)}(enum.IntEnum):", *docstring(words)]
        return [*lines, *([""] if usable else []), *(f"    {name} = {value}" for name, value in usable.items())]

    def _struct(self, type_id: int, name: str) -> list[str]:
        record = self._btf.types[type_id]
        parts = parts_of(self._btf, record)
        layout = ["", "Offset in bytes, and member:", ""] if parts else []
        lines: list[str] = []
        for part in parts:
            offset = f"{part.bit_offset // 8}" + (f".{part.bit_offset % 8}" if part.bits else "")
            bits = f" : {part.bits}" if part.bits else ""
            layout.append(f"{offset:>8}  {declaration(self._btf, part.type_id, part.name)}{bits}")
            if is_identifier(part.name):
                annotation = "int" if part.bits else self._structs.member(part.type_id)
                lines.append(_attribute(part.name, annotation, parts))
        words = f"{declaration(self._btf, type_id).replace('{…}', 'without a name')}, {record.size_or_type} bytes."
        head = [f"class {name}(skeleton.Struct):", *docstring(words, *layout)]
        return [*head, *([""] if lines else []), *lines]

    def _packed(self) -> list[str]:
        packed = zlib.compress(self._image, 9)
        chunks = [packed[at : at + _LINE] for at in range(0, len(packed), _LINE)]
        return [
            f"# The object file, {len(self._image)} bytes of ELF: zlib, base64.",
            '_PACKED = b"""',
            *(binascii.b2a_base64(chunk, newline=False).decode() for chunk in chunks),
            '"""',
        ]

    def _skeleton(self, views: list[str], enums: list[Type]) -> list[str]:
        return [
            f"class {self._class}(skeleton.Skeleton):",
            *docstring(f"{self._source}, opened; load() loads it."),
            "",
            f"    source = {json.dumps(self._source)}",
            "    packed = _PACKED",
            *([""] if enums else []),
            *(f"    {record.name} = {camel_case(record.name)}" for record in enums),
            *views,
            "",
            *(f"    {name.lower()}: {name}" for name in ("Maps", "Live", "Fixed", "Programs")),
        ]


def _attribute(name: str, annotation: str, beside: Sequence[_Attribute | Part]) -> str:
    """A line of a class. beside: all of its attributes, one of which may be called bytes like the type."""
    if any(each.name == "bytes" for each in beside):
        annotation = re.sub(r"\bbytes\b", "typed.Bytes", annotation)
    return f"    {name}: {annotation}"
