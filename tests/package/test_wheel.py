"""The sdist and the wheel: their contents, and that an installation from them works without the checkout."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
COMMANDS = ["ecbpf", "xdp_bypass_ipvs", "xdp_filter", "xdp_printk", "xdp_root_loader"]
DEPENDENCIES = ["numpy", "psutil"]
PROGRAMS = sorted(path.name for path in (CHECKOUT / "bpf").glob("*.bpf.c"))
HEADERS = sorted(path.name for path in (CHECKOUT / "bpf" / "include" / "ecbpf").glob("*.h"))
PIP = (sys.executable, "-m", "pip")
OFFLINE = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, without access to the checkout; returns its output."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_in(*folders: str) -> set[str]:
    """The sources in these folders of the checkout."""
    paths = [path for folder in folders for path in (CHECKOUT / folder).rglob("*") if path.is_file()]
    names = {str(path.relative_to(CHECKOUT)) for path in paths}
    return {name for name in names if not re.search(r"/__pycache__/|/objects/|\.pyc$", name)}


# Before the build: files added to the checkout in the meantime are not missing.
SOURCES = files_in("bpf", "completions", "docs", "src", "tests", "tools")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of this checkout, and the wheel built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, CHECKOUT, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def sdist(built: Path) -> Path:
    (path,) = built.glob("*.tar.gz")
    return path


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


def new_environment(folder: Path) -> Path:
    """The bin folder of a fresh, empty virtual environment."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    return folder / "bin"


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel and nothing else."""
    bin_folder = new_environment(tmp_path_factory.mktemp("wheel") / "venv")
    run(*PIP, "--python", bin_folder / "python", "install", *OFFLINE, wheel, cwd=bin_folder)
    return bin_folder


def test_the_wheel_is_independent_of_the_machine(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
        tags = re.findall("^Tag: (.*)$", archive.read(metadata).decode(), re.MULTILINE)
        machine_code = [name for name in archive.namelist() if re.search(r"\.so(\.|$)", name)]
    assert tags == ["py3-none-any"]
    assert machine_code == []


def test_what_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    def inside(folder: str) -> list[str]:
        return sorted(name.rpartition(folder)[2] for name in names if folder in name)

    assert {name.split("/")[0] for name in names if ".d" not in name} == {"ecbpf"}
    objects = [name.removesuffix(".c") + ".o" for name in PROGRAMS]
    modules = [name.removesuffix(".bpf.c") + ".py" for name in PROGRAMS]
    assert inside("ecbpf/objects/") == sorted(["__init__.py", *objects, *modules])
    assert inside("ecbpf/include/ecbpf/") == HEADERS
    assert inside(".data/data/share/bash-completion/completions/") == COMMANDS
    assert inside(".dist-info/licenses/") == ["LICENSE", "bpf/LICENSE.BSD-2-Clause", "bpf/LICENSE.GPL-2.0"]
    python = {name.removeprefix("src/") for name in SOURCES if name.startswith("src/")}
    assert python - set(names) == set()


def test_what_the_wheel_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    assert re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", text, re.MULTILINE) == DEPENDENCIES


def test_what_is_in_the_sdist(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert SOURCES - names == set()
    assert {"LICENSE", "Makefile", "README.md", "hatch_build.py", "pyproject.toml"} <= names
    assert [name for name in names if re.search(r"\.o$|\.so$|\.pyc$|^\.venv|^\.git/|^\.ci", name)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_run(installed: Path, command: str, tmp_path: Path) -> None:
    assert run(installed / command, "--help", cwd=tmp_path).startswith(f"usage: {command} ")


def test_the_installed_command_uses_the_installed_package(installed: Path, tmp_path: Path) -> None:
    version = run(installed / "ecbpf", "--version", cwd=tmp_path)
    assert version == f"ecbpf {_version()}\n"
    where = run(installed / "python", "-c", "import ecbpf; print(ecbpf.__file__)", cwd=tmp_path)
    assert where.startswith(str(installed.parent))
    assert (installed.parent / "share" / "bash-completion" / "completions" / "ecbpf").is_file()


def _version() -> str:
    text = (CHECKOUT / "src" / "ecbpf" / "__init__.py").read_text()
    return str(re.findall(r'^__version__ = "(.*)"$', text, re.MULTILINE)[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_installed_tool_attaches(installed: Path, tmp_path: Path) -> None:
    """The objects in the wheel are found and can be loaded."""
    namespace = f"ecbpf-wheel-{os.getpid()}"
    inside = ["nsenter", f"--net=/run/netns/{namespace}"]
    run("ip", "netns", "add", namespace, cwd=tmp_path)
    try:
        run("ip", "-n", namespace, "link", "add", "wheel0", "type", "veth", "peer", "name", "wheel1", cwd=tmp_path)
        ecbpf = [*inside, str(installed / "ecbpf")]
        run(*ecbpf, "attach", "wheel0", cwd=tmp_path)
        run(*ecbpf, "printk", "attach", "-i", "wheel0", cwd=tmp_path)
        assert "xdp_printk_prog" in run(*ecbpf, "status", cwd=tmp_path)
        run(*ecbpf, "detach", "wheel0", cwd=tmp_path)
    finally:
        run("ip", "netns", "delete", namespace, cwd=tmp_path)


def test_the_how_to_compiles_with_the_installed_headers(installed: Path, tmp_path: Path) -> None:
    page = (CHECKOUT / "docs" / "subprogram.md").read_text()
    source = re.findall(r"^```c title=(\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0]
    (tmp_path / source[0]).write_text(source[1])
    include = run(
        installed / "python", "-c", "from ecbpf.paths import include_dir; print(include_dir())", cwd=tmp_path
    )
    assert include.startswith(str(installed.parent))
    run(installed / "python", "-m", "ecbpf.build", source[0], cwd=tmp_path)
    assert (tmp_path / "ttl.bpf.o").read_bytes().startswith(b"\x7fELF")
    run(installed / "python", "-m", "ecbpf.build", source[0], "--skeleton", cwd=tmp_path)
    used = "from ttl_bpf import TtlBpf; print(TtlBpf().object.program_names)"
    assert run(installed / "python", "-c", used, cwd=tmp_path) == "['xdp_ttl_prog']\n"


def test_the_wheel_from_the_sdist(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    """The wheel that pip builds itself has the same files, byte for byte."""
    wanted = tmp_path / "built"
    run(*PIP, "wheel", *OFFLINE, "--wheel-dir", wanted, sdist, cwd=tmp_path)
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(wanted / wheel.name) as other:
        assert one.namelist() == other.namelist()
        assert [name for name in one.namelist() if one.read(name) != other.read(name)] == []


def test_pip_install_of_the_sdist(sdist: Path, tmp_path: Path) -> None:
    """With the hatchling installed here, so into a folder: a fresh environment has none."""
    target = tmp_path / "target"
    run(*PIP, "install", *OFFLINE, "--target", target, sdist, cwd=tmp_path)
    assert sorted(path.name for path in (target / "bin").iterdir()) == COMMANDS
    load = f"import sys; sys.path.insert(0, '{target}'); "
    load += "from ecbpf.objects import root; print(root.__file__); print(root.RootBpf().object.program_names)"
    path, programs = run(sys.executable, "-c", load, cwd=tmp_path).splitlines()
    assert path.startswith(str(target))
    assert programs == "['xdp_root_prog']"
