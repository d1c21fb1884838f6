"""Which kernel a name means, where it is kept, and the error if it is missing."""

from pathlib import Path

import pytest

from ecbpf.errors import EcbpfError, MissingError, UsageError
from tests.vm import __main__ as command_line
from tests.vm.apt import highest
from tests.vm.fetch import fetch
from tests.vm.kernels import KERNELS, find_image, find_kernel


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("ECBPF_KERNELS", str(tmp_path))
    return tmp_path


def unpacked(cache: Path, name: str, vmlinuz: str) -> None:
    for file in (f"{name}/VERSION", f"{name}/lib/modules/1.2-x/modules.dep", f"{name}/{vmlinuz}"):
        (cache / file).parent.mkdir(parents=True, exist_ok=True)
        (cache / file).write_text("a package\n")


@pytest.mark.parametrize("vmlinuz", ["boot/vmlinuz-1.2-x", "lib/modules/1.2-x/vmlinuz"])
def test_an_image_is_found(cache: Path, vmlinuz: str) -> None:
    unpacked(cache, "5.10", vmlinuz)
    image = find_image(find_kernel("5.10"))
    assert image.release == "1.2-x"
    assert image.version == "a package"
    assert image.vmlinuz == str(cache / "5.10" / vmlinuz)
    assert image.modules == str(cache / "5.10/lib/modules/1.2-x")


def test_a_kernel_that_was_not_fetched(cache: Path) -> None:
    with pytest.raises(MissingError) as raised:
        find_image(find_kernel("5.10"))
    assert str(raised.value) == f"kernel 5.10: not in {cache}; make kernels KERNELS=5.10"


def test_an_unknown_kernel() -> None:
    with pytest.raises(UsageError, match=r"kernel 2\.4: unknown; there are 5\.10, 6\.1-cloud"):
        find_kernel("2.4")


def test_an_error_is_one_line_and_the_exit_status(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["--kernel", "5.10", "--", "true"]) == MissingError.exit_status
    assert capfd.readouterr() == ("", f"ecbpf: kernel 5.10: not in {cache}; make kernels KERNELS=5.10\n")


def test_the_highest_version_is_taken_by_number() -> None:
    names = [
        "linux-image-6.18.9+deb13-cloud-amd64",
        "linux-image-6.18.15+deb13-cloud-amd64",
        "linux-image-7.3.4-x",
    ]
    assert highest(names, KERNELS["6.18"].package) == "linux-image-6.18.15+deb13-cloud-amd64"
    assert highest(names, KERNELS["5.10"].package) is None


def test_an_unreachable_mirror(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels in the cache are used without asking the mirror; others give a one-line error."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    unpacked(cache, "5.10", "boot/vmlinuz-1.2-x")
    assert fetch(find_kernel("5.10"), missing_only=True).release == "1.2-x"
    with pytest.raises(EcbpfError, match=r"^apt-get update: Failed to fetch .*; is the mirror reachable\?$"):
        fetch(find_kernel("5.10"))
    assert find_image(find_kernel("5.10")).release == "1.2-x"
