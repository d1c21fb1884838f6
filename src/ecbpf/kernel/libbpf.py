"""libbpf.so.1 by ctypes: the functions and option structs that this package uses, and nothing else.

Every function here raises what errors.kernel_error() makes of its errno. The prototypes come from <bpf/bpf.h>
and <bpf/libbpf.h> of libbpf 1.1; later versions keep them (LIBBPF_1.0 symbol versions).
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_bool, c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p

from ecbpf.errors import MissingError, kernel_error

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "BatchOptions",
    "LinkCreateOptions",
    "LinkUpdateOptions",
    "MapCreateOptions",
    "ObjectOpenOptions",
    "ProgramLoadOptions",
    "TcHook",
    "TcOptions",
    "TestRunOptions",
    "XdpAttachOptions",
    "XdpQueryOptions",
    "info_by_fd",
    "lib",
    "options",
    "recent_messages",
]


class ObjectOpenOptions(ctypes.Structure):
    """struct bpf_object_open_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("object_name", c_char_p),
        ("relaxed_maps", c_bool),
        ("pin_root_path", c_char_p),
        ("unused", c_uint32),
        ("kconfig", c_char_p),
        ("btf_custom_path", c_char_p),
        ("kernel_log_buf", c_void_p),
        ("kernel_log_size", c_size_t),
        ("kernel_log_level", c_uint32),
    )


class TestRunOptions(ctypes.Structure):
    """struct bpf_test_run_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("data_in", c_void_p),
        ("data_out", c_void_p),
        ("data_size_in", c_uint32),
        ("data_size_out", c_uint32),
        ("ctx_in", c_void_p),
        ("ctx_out", c_void_p),
        ("ctx_size_in", c_uint32),
        ("ctx_size_out", c_uint32),
        ("retval", c_uint32),
        ("repeat", c_int),
        ("duration", c_uint32),
        ("flags", c_uint32),
        ("cpu", c_uint32),
        ("batch_size", c_uint32),
    )


class BatchOptions(ctypes.Structure):
    """struct bpf_map_batch_opts."""

    _fields_ = (("sz", c_size_t), ("elem_flags", c_uint64), ("flags", c_uint64))


class MapCreateOptions(ctypes.Structure):
    """struct bpf_map_create_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("btf_fd", c_uint32),
        ("btf_key_type_id", c_uint32),
        ("btf_value_type_id", c_uint32),
        ("btf_vmlinux_value_type_id", c_uint32),
        ("inner_map_fd", c_uint32),
        ("map_flags", c_uint32),
        ("map_extra", c_uint64),
        ("numa_node", c_uint32),
        ("map_ifindex", c_uint32),
    )


class ProgramLoadOptions(ctypes.Structure):
    """struct bpf_prog_load_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("attempts", c_int),
        ("expected_attach_type", c_int),
        ("prog_btf_fd", c_uint32),
        ("prog_flags", c_uint32),
        ("prog_ifindex", c_uint32),
        ("kern_version", c_uint32),
        ("attach_btf_id", c_uint32),
        ("attach_prog_fd", c_uint32),
        ("attach_btf_obj_fd", c_uint32),
        ("fd_array", c_void_p),
        ("func_info", c_void_p),
        ("func_info_cnt", c_uint32),
        ("func_info_rec_size", c_uint32),
        ("line_info", c_void_p),
        ("line_info_cnt", c_uint32),
        ("line_info_rec_size", c_uint32),
        ("log_level", c_uint32),
        ("log_size", c_uint32),
        ("log_buf", c_void_p),
    )


class LinkCreateOptions(ctypes.Structure):
    """struct bpf_link_create_opts, the part before the union."""

    _fields_ = (
        ("sz", c_size_t),
        ("flags", c_uint32),
        ("iter_info", c_void_p),
        ("iter_info_len", c_uint32),
        ("target_btf_id", c_uint32),
    )


class LinkUpdateOptions(ctypes.Structure):
    """struct bpf_link_update_opts."""

    _fields_ = (("sz", c_size_t), ("flags", c_uint32), ("old_prog_fd", c_uint32))


class XdpAttachOptions(ctypes.Structure):
    """struct bpf_xdp_attach_opts."""

    _fields_ = (("sz", c_size_t), ("old_prog_fd", c_int))


class XdpQueryOptions(ctypes.Structure):
    """struct bpf_xdp_query_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("prog_id", c_uint32),
        ("drv_prog_id", c_uint32),
        ("hw_prog_id", c_uint32),
        ("skb_prog_id", c_uint32),
        ("attach_mode", c_uint8),
    )


class TcHook(ctypes.Structure):
    """struct bpf_tc_hook."""

    _fields_ = (("sz", c_size_t), ("ifindex", c_int), ("attach_point", c_int), ("parent", c_uint32))


class TcOptions(ctypes.Structure):
    """struct bpf_tc_opts."""

    _fields_ = (
        ("sz", c_size_t),
        ("prog_fd", c_int),
        ("flags", c_uint32),
        ("prog_id", c_uint32),
        ("handle", c_uint32),
        ("priority", c_uint32),
    )


def options(kind: Any, **values: Any) -> Any:
    """One of the option structs above, with its own size filled in."""
    return kind(sz=ctypes.sizeof(kind), **values)


def _check_int(result: int, function: Any, _arguments: Any) -> int:
    if result < 0:
        raise kernel_error(function.__name__, -result)
    return result


def _check_pointer(result: int | None, function: Any, _arguments: Any) -> int:
    if not result:
        raise kernel_error(function.__name__, ctypes.get_errno())
    return result


_u32_out = POINTER(c_uint32)

# Result, then arguments. An int below 0 and a null pointer are errors in the functions of this table.
_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "bpf_object__open_mem": (c_void_p, c_void_p, c_size_t, c_void_p),
    "bpf_object__load": (c_int, c_void_p),
    "btf__raw_data": (c_void_p, c_void_p, _u32_out),
    "bpf_map__fd": (c_int, c_void_p),
    "bpf_map__set_initial_value": (c_int, c_void_p, c_void_p, c_size_t),
    "bpf_map__set_max_entries": (c_int, c_void_p, c_uint32),
    "bpf_map__set_inner_map_fd": (c_int, c_void_p, c_int),
    "bpf_map__reuse_fd": (c_int, c_void_p, c_int),
    "bpf_program__fd": (c_int, c_void_p),
    "bpf_program__set_flags": (c_int, c_void_p, c_uint32),
    "bpf_map_create": (c_int, c_int, c_char_p, c_uint32, c_uint32, c_uint32, c_void_p),
    "bpf_map_update_elem": (c_int, c_int, c_void_p, c_void_p, c_uint64),
    "bpf_map_lookup_elem": (c_int, c_int, c_void_p, c_void_p),
    "bpf_map_delete_elem": (c_int, c_int, c_void_p),
    "bpf_map_get_next_key": (c_int, c_int, c_void_p, c_void_p),
    "bpf_map_update_batch": (c_int, c_int, c_void_p, c_void_p, _u32_out, c_void_p),
    "bpf_map_lookup_batch": (c_int, c_int, c_void_p, c_void_p, c_void_p, c_void_p, _u32_out, c_void_p),
    "bpf_map_delete_batch": (c_int, c_int, c_void_p, _u32_out, c_void_p),
    "bpf_prog_load": (c_int, c_int, c_char_p, c_char_p, c_void_p, c_size_t, c_void_p),
    "bpf_prog_query": (c_int, c_int, c_int, c_uint32, _u32_out, c_void_p, _u32_out),
    "bpf_prog_bind_map": (c_int, c_int, c_int, c_void_p),
    "bpf_prog_get_fd_by_id": (c_int, c_uint32),
    "bpf_map_get_fd_by_id": (c_int, c_uint32),
    "bpf_btf_get_fd_by_id": (c_int, c_uint32),
    "bpf_link_get_fd_by_id": (c_int, c_uint32),
    "bpf_link_get_next_id": (c_int, c_uint32, _u32_out),
    "bpf_obj_get_info_by_fd": (c_int, c_int, c_void_p, _u32_out),
    "bpf_obj_pin": (c_int, c_int, c_char_p),
    "bpf_obj_get": (c_int, c_char_p),
    "bpf_link_create": (c_int, c_int, c_int, c_int, c_void_p),
    "bpf_link_update": (c_int, c_int, c_int, c_void_p),
    "bpf_link_detach": (c_int, c_int),
    "bpf_prog_test_run_opts": (c_int, c_int, c_void_p),
    "bpf_xdp_attach": (c_int, c_int, c_int, c_uint32, c_void_p),
    "bpf_xdp_query": (c_int, c_int, c_int, c_void_p),
    "bpf_tc_hook_create": (c_int, c_void_p),
    "bpf_tc_attach": (c_int, c_void_p, c_void_p),
    "bpf_tc_detach": (c_int, c_void_p, c_void_p),
    "bpf_tc_query": (c_int, c_void_p, c_void_p),
    "libbpf_num_possible_cpus": (c_int,),
    "libbpf_probe_bpf_prog_type": (c_int, c_int, c_void_p),
    "libbpf_probe_bpf_map_type": (c_int, c_int, c_void_p),
}

# In these a null pointer or a negative number is not an error.
_PLAIN: dict[str, tuple[Any, ...]] = {
    "bpf_object__close": (None, c_void_p),
    "bpf_object__btf": (c_void_p, c_void_p),
    "bpf_map__initial_value": (c_void_p, c_void_p, POINTER(c_size_t)),
    "bpf_object__next_map": (c_void_p, c_void_p, c_void_p),
    "bpf_object__next_program": (c_void_p, c_void_p, c_void_p),
    "bpf_map__name": (c_char_p, c_void_p),
    "bpf_map__is_internal": (c_bool, c_void_p),
    "bpf_map__type": (c_int, c_void_p),
    "bpf_map__key_size": (c_uint32, c_void_p),
    "bpf_map__value_size": (c_uint32, c_void_p),
    "bpf_map__max_entries": (c_uint32, c_void_p),
    "bpf_map__map_flags": (c_uint32, c_void_p),
    "bpf_program__name": (c_char_p, c_void_p),
    "bpf_program__section_name": (c_char_p, c_void_p),
    "bpf_program__type": (c_int, c_void_p),
    "libbpf_set_print": (c_void_p, c_void_p),
}


class _Library:
    """The functions of the tables above, each prepared when it is first used."""

    def __init__(self) -> None:
        try:
            self._loaded = ctypes.CDLL("libbpf.so.1", use_errno=True)
        except OSError as error:
            raise MissingError("libbpf.so.1", "not found", "apt-get install libbpf1") from error

    def __getattr__(self, name: str) -> Any:
        prototype = _PROTOTYPES.get(name) or _PLAIN.get(name)
        if prototype is None:
            raise AttributeError(name)
        result, *arguments = prototype
        function = getattr(self._loaded, name)
        function.restype = result
        function.argtypes = arguments
        if name in _PROTOTYPES:
            function.errcheck = _check_int if result is c_int else _check_pointer
        setattr(self, name, function)
        return function


lib = _Library()


def info_by_fd(fd: int, info: Any) -> Any:
    """Fill `info`, one of the structs of uapi.py, for the program, map, link or BTF behind `fd`."""
    length = c_uint32(ctypes.sizeof(info))
    lib.bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(length))
    return info


_MESSAGES_KEPT = 100
_messages: list[str] = []
_vsnprintf = ctypes.CDLL(None).vsnprintf
_vsnprintf.argtypes = (c_void_p, c_size_t, c_char_p, c_void_p)


def _keep_message(level: int, form: bytes, arguments: int) -> int:
    """libbpf's printer: warnings are kept for the error message that follows, never printed.

    A va_list is an array or a large struct on the 64-bit machines we run on: a pointer, either way.
    """
    if level == 0:
        buffer = ctypes.create_string_buffer(1024)
        _vsnprintf(buffer, len(buffer), form, arguments)
        _messages.append(buffer.value.decode(errors="replace").strip())
        del _messages[:-_MESSAGES_KEPT]
    return 0


_printer = ctypes.CFUNCTYPE(c_int, c_int, c_char_p, c_void_p)(_keep_message)
lib.libbpf_set_print(_printer)


def recent_messages() -> list[str]:
    """libbpf's own warnings since the last call, the latest 100, oldest first, without their "libbpf: "."""
    messages = [message.removeprefix("libbpf: ") for message in _messages]
    _messages.clear()
    return messages
