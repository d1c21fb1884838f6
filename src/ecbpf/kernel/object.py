"""BPF object files: open, set globals, share maps, load."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os

from ecbpf.errors import DataError, EcbpfError, KernelError, kernel_error
from ecbpf.kernel.btf import Btf
from ecbpf.kernel.closing import Closing
from ecbpf.kernel.globals import Globals, map_globals
from ecbpf.kernel.libbpf import ObjectOpenOptions, lib, options, recent_messages
from ecbpf.kernel.map import map_of_descriptor
from ecbpf.kernel.program import Program
from ecbpf.kernel.uapi import BPF_F_XDP_HAS_FRAGS, PROG_XDP
from ecbpf.kernel.verifier import VerifierError

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from typing import Any, Self

    from ecbpf.kernel.map import Map

__all__ = ["Object"]

_LOG_ROOM = 16 << 20  # takes memory only as far as the verifier writes
_HINT = "give an object made by clang -target bpf -g"


class Object(Closing):
    """An object file, to be loaded into the kernel.

    `globals` are its variables: initial values before load(), the running program's memory after it.
    `program_names` are the programs in the file; `programs` and `maps`, by their names in C, exist after load().
    """

    _object: int | None = None

    def __init__(self, image: bytes, name: str) -> None:
        """image: the ELF file. name: for errors, and as the prefix of the names of its sections' maps.

        Raises DataError if it is not a BPF object.
        """
        self.name = name
        self.globals = Globals()
        self.programs: dict[str, Program] = {}
        self.maps: dict[str, Map] = {}
        self._definitions: dict[str, int] = {}
        self._initial: list[tuple[int, Any]] = []
        self._log = mmap.mmap(-1, _LOG_ROOM)
        wanted = options(
            ObjectOpenOptions,
            object_name=os.fsencode(os.path.basename(name).split(".")[0]),
            kernel_log_buf=ctypes.addressof(ctypes.c_char.from_buffer(self._log)),
            kernel_log_size=_LOG_ROOM,
        )
        recent_messages()
        try:
            self._object = lib.bpf_object__open_mem(image, len(image), ctypes.byref(wanted))
        except KernelError as error:
            words = recent_messages()
            raise DataError(name, f"not a BPF object: {words[-1] if words else error.why}", _HINT) from None
        self.btf = self._read_btf()
        self._definitions = dict(self._each_map())
        self.program_names = [name for name, _ in self._each_program()]
        for section, map_ in self._sections():
            self._take_initial("." + section.split(".", 1)[1], map_)

    @classmethod
    def open(cls, path: str) -> Self:
        """The object file at `path`. Raises DataError if it is missing or not a BPF object."""
        try:
            with open(path, "rb") as file:
                image = file.read()
        except OSError as error:
            raise DataError(path, error.strerror or str(error), _HINT) from None
        return cls(image, path)

    def _read_btf(self) -> Btf:
        length = ctypes.c_uint32()
        btf = lib.bpf_object__btf(self._object)
        if not btf:
            raise DataError(self.name, "a BPF object without BTF (type information)", _HINT)
        return Btf(ctypes.string_at(lib.btf__raw_data(btf, ctypes.byref(length)), length.value))

    def _take_initial(self, section: str, map_: int) -> None:
        """Add a section's variables to the globals, copied: libbpf's memory ends with the object."""
        record = self.btf.find(section, "DATASEC")
        size = ctypes.c_size_t()
        start = lib.bpf_map__initial_value(map_, ctypes.byref(size))
        if record is not None and start:
            memory = ctypes.create_string_buffer(ctypes.string_at(start, size.value), size.value)
            self._initial.append((map_, memory))
            self.globals._add(self.btf, record, memory, writable=True)

    def _each_map(self) -> list[tuple[str, int]]:
        found = []
        map_ = lib.bpf_object__next_map(self._object, None)
        while map_:
            found.append((lib.bpf_map__name(map_).decode(), map_))
            map_ = lib.bpf_object__next_map(self._object, map_)
        return found

    def _sections(self) -> list[tuple[str, int]]:
        """The maps that hold global variables: ``OBJECT.data``…"""
        return [
            (name, map_)
            for name, map_ in self._definitions.items()
            if lib.bpf_map__is_internal(map_) and "." in name and not name.endswith(".kconfig")
        ]

    def _each_program(self) -> list[tuple[str, int]]:
        found = []
        program = lib.bpf_object__next_program(self._object, None)
        while program:
            found.append((lib.bpf_program__name(program).decode(), program))
            program = lib.bpf_object__next_program(self._object, program)
        return found

    @property
    def map_names(self) -> list[str]:
        """The names of the maps in the file, sections (``.data``…) among them, before or after load()."""
        return list(self._definitions)

    def map_shape(self, name: str) -> tuple[int, int, int, int]:
        """Type, key size, value size, entries of a map, as defined in the file; compare with Map.shape."""
        map_ = self._definitions[name]
        return (
            lib.bpf_map__type(map_),
            lib.bpf_map__key_size(map_),
            lib.bpf_map__value_size(map_),
            lib.bpf_map__max_entries(map_),
        )

    def program_section(self, name: str) -> str:
        """The section of a program in the file, which gives its type: "xdp", "tc"."""
        program = dict(self._each_program())[name]
        section: bytes = lib.bpf_program__section_name(program)
        return section.decode()

    def section_layout(self, section: str) -> list[tuple[str, int, int]]:
        """Name, offset and size in bytes of the variables of a section of the file (``.data``…)."""
        record = self.btf.find(section, "DATASEC")
        return self.btf.layout(record) if record is not None else []

    def share_map(self, name: str, existing: Map) -> None:
        """Before load(): use this map instead of a new one. Raises KernelError."""
        map_ = self._definitions[name]
        lib.bpf_map__reuse_fd(map_, existing.fd)
        self._initial = [each for each in self._initial if each[0] != map_]

    def resize_map(self, name: str, entries: int) -> None:
        """Before load(): give the map that many entries. Raises KernelError."""
        lib.bpf_map__set_max_entries(self._definitions[name], entries)

    def set_inner_map(self, name: str, like: Map) -> None:
        """Before load(): let a map of maps take maps of the same shape as `like`. Raises KernelError."""
        lib.bpf_map__set_inner_map_fd(self._definitions[name], like.fd)

    def load(self, *, frags: bool = False) -> None:
        """Load maps and programs into the kernel.

        frags: XDP programs accept multi-buffer packets (since Linux 5.18).
        Raises VerifierError with the line that matters, KernelError, NotPermittedError.
        """
        for map_, memory in self._initial:
            lib.bpf_map__set_initial_value(map_, memory, len(memory))
        for _, program in self._each_program():
            if frags and lib.bpf_program__type(program) == PROG_XDP:
                lib.bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS)
        recent_messages()
        try:
            lib.bpf_object__load(self._object)
        except KernelError as error:
            raise self._load_error(error) from None
        for name, map_ in self._definitions.items():
            self.maps[name] = map_of_descriptor(os.dup(lib.bpf_map__fd(map_)), None)
        for name, program in self._each_program():
            self.programs[name] = Program(os.dup(lib.bpf_program__fd(program)))
        for name, _ in self._sections():
            section = self.maps[name]  # a shared one has the name of the map that it shares
            if section.info.btf_value_type_id:
                map_globals(section, self.globals)

    def _load_error(self, error: KernelError) -> EcbpfError:
        words = recent_messages()
        log = self._log[: self._log.find(b"\0")].decode(errors="replace")
        if log.strip():
            program = next((line.split("'")[1] for line in words if line.startswith("prog '")), "")
            return VerifierError(f"{self.name}, {program}" if program else self.name, error.errno, log)
        if error.errno == errno.EPERM:
            return kernel_error(self.name, error.errno)
        return KernelError(self.name, error.errno, words[0] if words else "")

    def close(self) -> None:
        """Free the object; programs and maps that are pinned, attached or in use live on, and so do the globals.

        A second call does nothing.
        """
        for each in (*self.programs.values(), *self.maps.values()):
            each.close()
        if self._object is not None:
            lib.bpf_object__close(self._object)
            self._object = None
            self._definitions.clear()
