"""Object files: other files are refused in one line, the verifier's reason is shown, nothing leaks."""

import errno
import gc
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ecbpf.errors import DataError, KernelError, NotPermittedError
from ecbpf.kernel import Map, Object, VerifierError, map_globals
from ecbpf.kernel.uapi import MAP_ARRAY, MAP_HASH
from tests.support.objects import Build, source_of

PACKET = bytes(64)


def clang(source: str, output: Path, *flags: str) -> str:
    command = ["clang", "-target", "bpf", "-mcpu=v3", "-O2"]
    command += [
        "-idirafter",
        f"/usr/include/{os.uname().machine}-linux-gnu",
        *flags,
        "-c",
        source,
        "-o",
        str(output),
    ]
    subprocess.run(command, check=True)
    return str(output)


def open_descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def bad_file(tmp_path: Path, build: Build) -> Callable[[str], str]:
    """The path of a file of some kind that is not an object."""

    def make(kind: str) -> str:
        path = tmp_path / "bad.o"
        good = build("kernel/maps")
        match kind:
            case "empty":
                path.write_bytes(b"")
            case "text":
                path.write_text("hello\n" * 100, encoding="utf-8")
            case "truncated":
                path.write_bytes(Path(good).read_bytes()[:900])
            case "directory":
                return str(tmp_path)
            case "x86":
                return "/bin/true"
            case "no BTF":
                source = tmp_path / "plain.c"
                source.write_text('__attribute__((section("xdp"))) int f(void *c) { return 2; }', encoding="utf-8")
                return clang(str(source), path)
            case "legacy maps":
                source = tmp_path / "legacy.c"
                source.write_text(
                    '__attribute__((section("maps"))) struct { int type, key, value, entries, flags; } m = '
                    "{1, 4, 4, 1};"
                    '__attribute__((section("xdp"))) int f(void *c) { return (long)&m; }',
                    encoding="utf-8",
                )
                return clang(str(source), path, "-g")
            case "not UTF-8":
                return os.fsdecode(bytes(tmp_path / "x") + b"\xff.o")
        return str(path)

    return make


BAD = {
    "missing": "No such file",
    "empty": "not a BPF object",
    "text": "not a BPF object",
    "truncated": "not a BPF object",
    "directory": "Is a directory",
    "x86": "not a BPF object",
    "no BTF": "without BTF",
    "legacy maps": "legacy map definitions",
    "not UTF-8": "No such file",
}


@pytest.mark.parametrize("kind", BAD)
def test_files_that_are_not_objects(
    bad_file: Callable[[str], str], capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    path = bad_file(kind)
    before = open_descriptors()
    for _ in range(3):
        with pytest.raises(DataError, match=BAD[kind]) as refusal:
            Object.open(path)
        assert "\n" not in str(refusal.value)
        assert str(refusal.value).startswith(path)
        assert "clang -target bpf -g" in str(refusal.value)
    del refusal
    assert open_descriptors() == before
    assert capfd.readouterr() == ("", "")


def test_a_file_without_read_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.o"
    path.write_bytes(b"")
    path.chmod(0)
    tmp_path.chmod(0o700)
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            Object.open(str(path))
        except DataError as error:
            os._exit(0 if "Permission denied" in str(error) else 2)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


# What the verifier says, and the source line that it means.
REFUSED = {
    "packet": ("invalid access to packet", "data[13] == 8"),
    "register": ("!read_ok", "r7"),
    "null": ("invalid mem access 'map_value_or_null'", "*count += 1;"),
    "map": ("invalid access to map value, value_size=8 off=8 size=8", "count[1] = 7;"),
    "helper": ("invalid func unknown#9999", "no_such_helper()"),
    "helper_here": ("bpf_override_return#58", "bpf_override_return("),
    "loop": ("unreachable insn 1", ""),
    "endless": ("infinite loop detected at insn 1", "goto 1b"),
    "complex": ("is too complex", "bpf_get_prandom_u32()"),
    "unreachable": ("unreachable insn 2", ""),
    "global": ("invalid mem access 'mem_or_null'", "return *count;"),
    "context": ("invalid bpf_context access off=16 size=4", "ctx->rx_queue_index = 1;"),
}


# Without their types libbpf does not load functions beside the program: "global" needs BTF lines.
@pytest.mark.parametrize(
    ("name", "lines"),
    [(name, lines) for name in REFUSED for lines in (True, False) if lines or name != "global"],
)
def test_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, lines: bool) -> None:
    path = clang(source_of("kernel/refused"), tmp_path / "refused.o", "-g", f"-DREFUSED_{name}")
    if not lines:
        subprocess.run(["llvm-objcopy", "--remove-section=.BTF.ext", path], check=True)
    before = open_descriptors()
    reason, line = REFUSED[name]
    with Object.open(path) as opened:
        with pytest.raises(VerifierError) as refusal:
            opened.load()
        error = refusal.value
        assert error.what == f"{path}, refused"
        if name == "global" and "is not supported yet" in error.summary:
            pytest.skip("no pointers to memory for global functions before Linux 5.12 (e5069b9c23b3)")
        assert reason in error.summary
        assert "\n" not in str(error)
        assert (error.errno, error.exit_status) != (0, 0)
        # The log names file and line since Linux 6.10.
        assert ("refused.bpf.c:" in error.summary) == ("refused.bpf.c:" in error.log)
        if lines:
            assert line in error.summary
        assert error.summary.split(" at `")[0].split(", ")[0] in error.log
    assert open_descriptors() == before
    assert capfd.readouterr() == ("", "")


def test_load_sets_globals_and_maps_them(build: Build) -> None:
    before = open_descriptors()
    with Object.open(build("kernel/types")) as opened:
        early = opened.globals
        early.limit = 32
        early.every.value = 10
        opened.load()
        program = opened.programs["xdp_types_prog"]
        program.test_run(PACKET)
        assert (opened.globals.seen, early.seen) == (42, 42)
        opened.globals.every.value = 100
        program.test_run(PACKET, repeat=2)
        assert opened.globals.seen == 42 + 2 * 132
        opened.globals.seen = 0
        program.test_run(PACKET)
        assert opened.globals.seen == 132
        with pytest.raises(DataError, match=r"fixed by the load"):
            opened.globals.limit = 1
        assert opened.globals.limit == 32
        with pytest.raises(KernelError):
            opened.load()
        section = opened.maps[next(name for name in opened.maps if name.endswith(".data"))]
        again = map_globals(section)
        again.every.value = 1
        assert opened.globals.every.value == 1
        live = opened.globals
    live.every.value = 6
    assert again.every.value == 6
    del live, again, early, opened, program, section
    assert open_descriptors() == before


def test_a_section_with_one_small_variable(tmp_path: Path) -> None:
    source = tmp_path / "small.bpf.c"
    source.write_text(
        "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nconst volatile __u32 fixed = 3;\n"
        'SEC("xdp") int small(struct xdp_md *ctx) { return fixed; }\nchar _license[] SEC("license") = "GPL";',
        encoding="utf-8",
    )
    with Object.open(clang(str(source), tmp_path / "small.bpf.o", "-g")) as opened:
        opened.globals.fixed = 1
        opened.load()
        assert opened.programs["small"].test_run(PACKET).retval == 1
        assert opened.globals.fixed == 1


def test_no_globals_in_a_plain_map() -> None:
    with (
        Map.create(MAP_ARRAY, 4, 4, 1, name="plain") as map_,
        pytest.raises(DataError, match=r"no global variables"),
    ):
        map_globals(map_)


def test_share_resize_and_shape(build: Build) -> None:
    with Object.open(build("kernel/maps")) as first, Object.open(build("kernel/maps")) as second:
        first.resize_map("hash", 10)
        first.load()
        assert first.maps["hash"].shape == (MAP_HASH, 4, 8, 10)
        assert second.map_shape("hash") == (MAP_HASH, 4, 8, 1 << 17)
        second.share_map("hash", first.maps["hash"])
        with Object.open(build("kernel/maps")) as third:
            third.share_map("hash", first.maps["hash"])
            third.load()
            first.maps["hash"][1] = 5
            assert third.maps["hash"][1] == 5
            assert third.maps["hash"].info.id == first.maps["hash"].info.id


def test_shared_sections_keep_their_values(build: Build) -> None:
    with Object.open(build("kernel/types")) as first, Object.open(build("kernel/types")) as second:
        first.load()
        first.globals.every.value = 1000
        name = next(name for name in first.maps if name.endswith(".data"))
        second.globals.every.value = 5
        second.share_map(name, first.maps[name])
        second.load()
        assert second.globals.every.value == 1000


def test_an_inner_map_by_example(build: Build) -> None:
    with Object.open(build("kernel/maps")) as opened, Map.create(MAP_ARRAY, 4, 8, 4) as example:
        opened.set_inner_map("outer", example)
        opened.load()
        opened.maps["outer"][1] = example
        assert opened.maps["outer"][1] == example.info.id


def test_load_without_privileges(build: Build) -> None:
    path = build("kernel/types")
    Path(path).parent.chmod(0o755)
    image = Path(path).read_bytes()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            Object(image, "types.bpf.o").load()
        except NotPermittedError as error:
            os._exit(0 if error.errno == errno.EPERM and error.exit_status == 77 else 2)
        except KernelError:
            os._exit(3)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_an_object_that_is_dropped_leaves_nothing(build: Build) -> None:
    path = build("kernel/maps")
    before = open_descriptors()
    for _ in range(3):
        Object.open(path).load()
    assert open_descriptors() == before
