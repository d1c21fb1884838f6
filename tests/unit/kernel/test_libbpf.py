"""The binding against the library and its headers: symbol versions, struct layouts, messages, errors."""

import ctypes
import errno
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ecbpf.errors import KernelError, NotPermittedError
from ecbpf.kernel import libbpf, uapi
from ecbpf.kernel.libbpf import lib, recent_messages

OLDEST = (1, 1, 0)
FUNCTIONS = sorted(libbpf._PROTOTYPES | libbpf._PLAIN)

# Ours, the C struct, and members with another name in C, None for those without offset there (bit-fields).
STRUCTS: list[tuple[Any, str, dict[str, str | None]]] = [
    (libbpf.ObjectOpenOptions, "bpf_object_open_opts", {"unused": None}),
    (libbpf.TestRunOptions, "bpf_test_run_opts", {}),
    (libbpf.BatchOptions, "bpf_map_batch_opts", {}),
    (libbpf.MapCreateOptions, "bpf_map_create_opts", {}),
    (libbpf.ProgramLoadOptions, "bpf_prog_load_opts", {}),
    (libbpf.LinkCreateOptions, "bpf_link_create_opts", {}),
    (libbpf.LinkUpdateOptions, "bpf_link_update_opts", {}),
    (libbpf.XdpAttachOptions, "bpf_xdp_attach_opts", {}),
    (libbpf.XdpQueryOptions, "bpf_xdp_query_opts", {}),
    (libbpf.TcHook, "bpf_tc_hook", {}),
    (libbpf.TcOptions, "bpf_tc_opts", {}),
    (uapi.ProgramInfo, "bpf_prog_info", {"gpl_compatible": None}),
    (uapi.MapInfo, "bpf_map_info", {"unused": None}),
    (uapi.BtfInfo, "bpf_btf_info", {}),
    (
        uapi.LinkInfo,
        "bpf_link_info",
        {"_hole": None, "ifindex": "xdp.ifindex", "attach_type": None, "_rest": None},
    ),
]


def test_no_function_is_newer_than_the_oldest_libbpf() -> None:
    command = ["objdump", "-T", _path_of_libbpf()]
    table = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = {name: version for version, name in re.findall(r"LIBBPF_([\d.]+)\)?\s+(\w+)$", table, re.MULTILINE)}
    assert [name for name in FUNCTIONS if name not in found] == []
    newer = {name: v for name, v in found.items() if tuple(map(int, v.split("."))) > OLDEST}
    assert [name for name in FUNCTIONS if name in newer] == []


def _path_of_libbpf() -> str:
    assert lib.libbpf_num_possible_cpus() > 0
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    found = re.search(r"\S*/libbpf\.so\S*", maps)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_prototype_loads(name: str) -> None:
    assert getattr(lib, name) is getattr(lib, name)


def test_an_unknown_function_is_an_error() -> None:
    with pytest.raises(AttributeError):
        _ = lib.bpf_no_such_function


def test_struct_layouts_equal_the_headers(tmp_path: Path) -> None:
    asserts = []
    for ours, theirs, names in STRUCTS:
        asserts.append(f"_Static_assert(sizeof(struct {theirs}) >= {ctypes.sizeof(ours)}, {theirs!a});")
        for name, _ in ours._fields_:
            member = names.get(name, name)
            field = getattr(ours, name)
            if member is not None:
                where = f"offsetof(struct {theirs}, {member}) == {field.offset}"
                size = f"sizeof(((struct {theirs} *)0)->{member}) == {field.size}"
                asserts.append(f'_Static_assert({where} && {size}, "{theirs}.{member}");')
    source = tmp_path / "layout.c"
    includes = "#include <stddef.h>\n#include <linux/bpf.h>\n#include <bpf/bpf.h>\n#include <bpf/libbpf.h>\n"
    source.write_text(includes + "\n".join(asserts).replace("'", '"') + "\n", encoding="utf-8")
    done = subprocess.run(["clang", "-fsyntax-only", str(source)], check=False, capture_output=True, text=True)
    assert done.stderr == ""


def test_constants_equal_the_kernel_headers(tmp_path: Path) -> None:
    maps = {"MAPS_OF_FDS", "MAP_INFO"}
    names = {n: f"BPF_MAP_TYPE_{n[4:]}" for n in dir(uapi) if n.startswith("MAP_") and n not in maps}
    names |= {n: f"BPF_PROG_TYPE_{n[5:]}" for n in dir(uapi) if n.startswith("PROG_")}
    names |= {n: n for n in dir(uapi) if re.match(r"BPF_[A-Z]|XDP_[A-Z]", n)}
    names |= {"ATTACH_XDP": "BPF_XDP", "LINK_XDP": "BPF_LINK_TYPE_XDP"}
    lines = [f'_Static_assert({theirs} == {getattr(uapi, ours)}, "{ours}");' for ours, theirs in names.items()]
    assert len(lines) > 30
    source = tmp_path / "numbers.c"
    source.write_text("#include <linux/bpf.h>\n#include <linux/if_link.h>\n" + "\n".join(lines), encoding="utf-8")
    done = subprocess.run(["clang", "-fsyntax-only", str(source)], check=False, capture_output=True, text=True)
    assert done.stderr == ""


def test_messages_are_kept_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    recent_messages()
    for _ in range(250):
        with pytest.raises(KernelError) as refusal:
            lib.bpf_object__open_mem(b"no ELF at all", 13, None)
        assert refusal.value.errno > 0
    messages = recent_messages()
    assert len(messages) == 100
    assert all(message and not message.startswith("libbpf:") for message in messages)
    assert recent_messages() == []
    assert capfd.readouterr() == ("", "")


def test_errors_carry_errno_and_function() -> None:
    with pytest.raises(KernelError, match=r"^bpf_obj_get: No such file or directory \(ENOENT\)$") as refusal:
        lib.bpf_obj_get(b"/sys/no/such/pin")
    assert refusal.value.errno == errno.ENOENT
    assert not isinstance(refusal.value, NotPermittedError)
