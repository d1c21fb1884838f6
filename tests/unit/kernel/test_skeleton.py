"""Generated modules: they declare what the object has, and type checkers understand it."""

import ctypes
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ecbpf.build.skeleton import build_skeleton, module_path, skeleton_module
from ecbpf.errors import DataError, EcbpfError, UsageError
from ecbpf.kernel import Object
from ecbpf.kernel.skeleton import VersionError
from tests.support.objects import Build, source_of
from tests.support.skeletons import imported, made

CHECKOUT = Path(__file__).parents[3]
OBJECTS = CHECKOUT / "src" / "ecbpf" / "objects"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("modules")


@pytest.fixture(scope="module")
def module(folder: Path) -> Any:
    """Of the program with every kind of type."""
    return made(source_of("kernel/types"), folder)


@pytest.fixture(scope="module")
def maps(folder: Path) -> Any:
    """Of the program with every kind of map."""
    return made(source_of("kernel/maps"), folder)


def run(*command: str | Path, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd)


# What is declared.


def fits(value: Any, annotation: str, module: Any) -> bool:
    """Whether a value has the type that a generated module declares."""
    annotation = annotation.removeprefix("typed.")
    if inner := re.fullmatch(r"Compound\[(.*)\]", annotation):
        return fits(value, inner[1], module)
    if inner := re.fullmatch(r"Array\[(.*)\]", annotation):
        return isinstance(value, ctypes.Array) and all(fits(each, inner[1], module) for each in value)
    if annotation in ("int", "bool", "float", "bytes", "Bytes"):
        return type(value).__name__ == annotation.lower()
    declared = getattr(module, annotation).__annotations__
    return all(fits(getattr(value, name), kind, module) for name, kind in declared.items())


@pytest.mark.parametrize("view", ["Live", "Fixed"])
def test_each_variable_is_of_the_type_declared(module: Any, view: str) -> None:
    with module.TypesBpf() as opened:
        declared = getattr(module.TypesBpf, view).__annotations__
        for name, annotation in declared.items():
            assert fits(getattr(getattr(opened, view.lower()), name), annotation, module), name
        assert len(declared) >= 1


def test_every_variable_and_member_is_declared(module: Any) -> None:
    with module.TypesBpf() as opened:
        views = module.TypesBpf.Live.__annotations__ | module.TypesBpf.Fixed.__annotations__
        assert set(views) == set(opened.object.globals)
        members = {name for name in dir(type(opened.live.every)) if name[0] != "_" and " " not in name}
        assert set(module.Every.__annotations__) == members


def test_enums(module: Any, types: Object) -> None:
    for name, kind in {"colour": module.Colour, "verdict": module.Verdict}.items():
        assert {each.name: each.value for each in kind} == types.btf.enum(name)
        assert getattr(module.TypesBpf, name) is kind


def test_docstrings(module: Any, maps: Any) -> None:
    text = Path(module.__file__).read_text() + Path(maps.__file__).read_text()
    for line in (
        '        limit: int\n        """__u32 limit in .rodata, initially 7."""',
        '        seen: int\n        """__u64 seen in .bss, initially 0."""',
        '        huge: int\n        """__int128 huge in .data, initially -5."""',
        "          48.3  __s32 middle : 5\n",
        "            88  void *pointer\n",
        "            96  __u8 matrix[2][3]\n",
        "    bytes: typed.Array[int]\n",
        "    name: typed.Bytes\n",
        '        percpu_array: typed.PerCpuMapOf[int, int]\n        """Per-CPU array of 1000, __u32 -> __u32."""',
        '        trie: typed.MapOf[Prefix, int]\n        """LPM trie of 131072, struct prefix -> __u32."""',
        '        programs: typed.MapOf[int, int]\n        """Array of programs of 8, __u32 -> program."""',
        '        outer: typed.MapOf[int, int]\n        """Array of maps of 2, __u32 -> map."""',
        '        xdp_types_prog: typed.Program\n        """SEC("xdp")."""',
    ):
        assert re.sub(r"(?m)^ {10,}(?=\d)", "", line) in re.sub(r"(?m)^ {8,}(?=\d)", "", text), line


# At run time.


def test_values_round_trip(module: Any) -> None:
    with module.TypesBpf() as opened:
        opened.fixed.limit = 9
        opened.live.huge = -(1 << 100)
        opened.live.every.nested.large = 77
        assert (opened.fixed.limit, opened.live.huge, opened.live.every.nested.large) == (9, -(1 << 100), 77)
        assert (opened.object.globals.limit, opened.object.globals.huge) == (9, -(1 << 100))
        opened.live.every = bytes(opened.object.btf.struct("every")())
        assert opened.live.every.second == 0
        with pytest.raises(DataError):
            opened.fixed.limit = -1


def test_the_image_is_the_compiled_object(module: Any, build: Build) -> None:
    path = build("kernel/types")
    assert module.TypesBpf.image() == Path(path).read_bytes()
    with Object.open(path) as file, module.TypesBpf() as opened:
        assert opened.object.map_names == file.map_names
        assert opened.object.program_names == file.program_names


def test_an_object_opened_elsewhere(module: Any, maps: Any, build: Build) -> None:
    with Object.open(build("kernel/types")) as file:
        module.TypesBpf(file).fixed.limit = 12
        assert file.globals.limit == 12
        other = maps.MapsBpf(file)
        assert "hash" not in other.maps
        lacks = r"^map hash: .*types\.bpf\.o is of a version without it; compile it again$"
        with pytest.raises(VersionError, match=lacks):
            _ = other.maps.hash


def test_refusals(module: Any, maps: Any) -> None:
    with maps.MapsBpf() as opened, module.TypesBpf() as typed:
        with pytest.raises(EcbpfError, match=r"^map hash: maps.bpf.c is not loaded; call load\(\) first$"):
            _ = opened.maps.hash
        with pytest.raises(AttributeError, match=r"MapsBpf\.Maps has no 'hsah'"):
            _ = opened.maps.hsah
        with pytest.raises(AttributeError, match=r"MapsBpf\.Maps\.hash cannot be replaced"):
            opened.maps.hash = 1
        with pytest.raises(AttributeError, match=r"TypesBpf\.Live has no 'limit'"):
            typed.live.limit = 1
        assert not hasattr(typed.live, "no_such")
        assert "no_such" not in typed.live
    with pytest.raises(TypeError, match="Every is for annotations"):
        module.Every()


def test_the_module_imports_no_more_than_its_base(module: Any) -> None:
    show = "import sys; print(*sorted(sys.modules))"
    parts = [
        run(sys.executable, "-c", f"import {name}; {show}", cwd=Path(module.__file__).parent).stdout.split()
        for name in ("ecbpf.kernel.skeleton, enum", "types_bpf")
    ]
    assert set(parts[1]) - set(parts[0]) == {"types_bpf"}
    assert not {"typing", "dataclasses", "ecbpf.build"} & set(parts[1])


# What mypy says. A line is correct, or followed by a part of mypy's message about it.
USE = """\
from types_bpf import Colour, Every, TypesBpf
from maps_bpf import Counts, MapsBpf


def use(every: Every) -> int:
    return every.nested.large + every.both[1].small + len(every.name)


with TypesBpf() as types:
    types.fixed.limit = 7
    types.live.every = (1, 2)
    use(types.live.every)
    colour: Colour = TypesBpf.colour.COLOUR_RED
    types.live.seeen = 1  # "Live" has no attribute "seeen"
    types.live.limit = 1  # "Live" has no attribute "limit"
    types.fixed.limit = "7"  # expression has type "str"
    types.live.every = 7  # expression has type "int"
    types.live.every.nested.largest  # "Inner" has no attribute "largest"
    types.programs.xdp_typse_prog  # "Programs" has no attribute "xdp_typse_prog"
    Colour.COLOUR_BLUE  # has no attribute "COLOUR_BLUE"

with MapsBpf() as opened:
    maps = opened.maps
    count: int = maps.hash[1]
    counts: Counts = maps.percpu_hash.sum(1)
    each: list[Counts] = maps.percpu_hash[1]
    maps.tiny[3] = (1, 2)
    maps.programs[0] = opened.programs.xdp_tail_prog
    sure: int = maps.hash.get(1, 0)
    maps.hsah  # "Maps" has no attribute "hsah"
    unsure: int = maps.hash.get(1)  # expression has type "int | None"
    maps.hash["x"]  # Invalid index type "str"
    one: int = maps.percpu_array[1]  # expression has type "list[int]"
    maps.tiny[3].pakcets  # "Counts" has no attribute "pakcets"
    MapsBpf.Maps({}).hsah  # "Maps" has no attribute "hsah"
"""


def test_mypy_knows_every_name_and_type(module: Any, maps: Any) -> None:
    folder = Path(module.__file__).parent
    assert Path(maps.__file__).parent == folder
    (folder / "use.py").write_text(USE)
    mypy = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--no-error-summary"]
    modules = ["types_bpf.py", "maps_bpf.py", "use.py"]
    done = run(*mypy, f"--cache-dir={CHECKOUT}/.mypy_cache", *modules, cwd=folder)
    found = dict(re.findall(r"^use\.py:(\d+): error: (.*)$", done.stdout, re.MULTILINE))
    wanted = {str(n): line.split("  # ")[1] for n, line in enumerate(USE.splitlines(), 1) if "  # " in line}
    assert len(done.stdout.splitlines()) == len(found) == len(wanted), done.stdout + done.stderr
    assert {n: text for n, text in wanted.items() if text not in found.get(n, "")} == {}, done.stdout


def test_ruff_finds_nothing(module: Any, maps: Any) -> None:
    folder = Path(module.__file__).parent
    ruff = [sys.executable, "-m", "ruff"]
    files = [str(path) for where in (OBJECTS, folder) for path in where.glob("*.py") if path.name != "use.py"]
    assert len(files) >= 9
    for words in (["check"], ["format", "--check"]):
        done = run(*ruff, *words, "--config", CHECKOUT / "pyproject.toml", *files)
        assert done.returncode == 0, done.stdout + done.stderr


# Making it.


def test_two_builds_are_identical(module: Any, tmp_path: Path) -> None:
    build_skeleton(source_of("kernel/types"), str(tmp_path / "again.py"))
    assert (tmp_path / "again.py").read_text() == Path(module.__file__).read_text()


@pytest.mark.parametrize(
    ("source", "path"),
    [("ttl.bpf.c", "ttl_bpf.py"), ("a/b-c.bpf.c", "a/b_c_bpf.py"), ("/x/plain.c", "/x/plain.py")],
)
def test_where_a_module_goes(source: str, path: str) -> None:
    assert module_path(source) == path


PROGRAM = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
{}
SEC("xdp") int xdp_prog(struct xdp_md *ctx) {{ return XDP_PASS; }}
char _license[] SEC("license") = "GPL";
"""
NO_ATTRIBUTE = "no Python attribute can have this name; rename it"
REFUSED = {
    "a variable with a Python keyword as its name": (
        "int from = 1;",
        f"from: {NO_ATTRIBUTE}",
    ),
    "a variable that would be private": (
        "int __one = 1;",
        f"__one: {NO_ATTRIBUTE}",
    ),
    "two structs of one class": (
        "struct a_b { int x; } one = {1}; struct aB { int x; } two = {2};",
        "a_b and aB both become the class AB; rename one",
    ),
    "a struct with the name of the class": (
        "struct wrong_bpf { int x; } one = {1};",
        "wrong.bpf.c and wrong_bpf both become the class WrongBpf; rename one",
    ),
    "an enum that hides an attribute": (
        "enum maps { ONE } one = 5;",
        "enum maps hides an attribute that every skeleton has; rename it",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_names_that_python_cannot_have(case: str, tmp_path: Path) -> None:
    lines, message = REFUSED[case]
    source, output = tmp_path / "wrong.bpf.c", tmp_path / "wrong.py"
    source.write_text(PROGRAM.format(lines))
    with pytest.raises(DataError) as refused:
        build_skeleton(str(source), str(output))
    assert str(refused.value).endswith(message)
    assert "\n" not in str(refused.value)
    assert not output.exists()


def test_members_and_enumerators_that_python_cannot_name(tmp_path: Path) -> None:
    """They may come from headers of others: only they are left out."""
    source = tmp_path / "odd.bpf.c"
    enum = "enum e { E_ONE, None, __E_MAX } e = 1;"
    source.write_text(PROGRAM.format(f"{enum} struct s {{ int from, to; enum e e; }} s = {{1, 2, 3}};"))
    build_skeleton(str(source), str(tmp_path / "odd.py"))
    module = imported(tmp_path / "odd.py")
    assert [each.name for each in module.E] == ["E_ONE"]
    assert "not here: None = 1, __E_MAX = 2" in module.E.__doc__
    assert list(module.S.__annotations__) == ["to", "e"]
    with module.OddBpf() as opened:
        assert getattr(opened.live.s, "from") == 1


@pytest.mark.parametrize("name", ["foo-bar.py", "7.py", "class.py", "noend"])
def test_files_that_cannot_be_imported(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Python cannot import a file of this name"):
        build_skeleton(source_of("kernel/types"), str(tmp_path / name))


def test_an_object_without_types(build: Build) -> None:
    image = Path(build("kernel/types")).read_bytes().replace(b".BTF\0", b".XXX\0")
    with pytest.raises(DataError, match="without BTF"):
        skeleton_module(image, "types.bpf.c")
    with pytest.raises(DataError, match=r"7\.bpf\.c: no Python class can be named after it"):
        skeleton_module(Path(build("kernel/types")).read_bytes(), "7.bpf.c")
