"""The guest's first file system: busybox, the modules to reach the real one, and init.sh."""

import lzma
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from typing import NamedTuple

from ecbpf.errors import MissingError
from tests.vm.kernels import Image

__all__ = ["File", "boot_modules", "cpio", "initrd"]

_HERE = os.path.dirname(os.path.abspath(__file__))
_FOLDERS = ("bin", "dev", "proc", "sys", "modules", "machine", "written", "new")
_FOLDER, _PLAIN, _EXECUTABLE, _DEVICE = 0o040755, 0o100644, 0o100755, 0o020600


class File(NamedTuple):
    """A file of an archive; `device` is the major and minor number of a device."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def cpio(files: Iterable[File]) -> bytes:
    """The archive of `files`, all of root and of 1970, in the format that the kernel unpacks.

    See "newc" in cpio(5) and the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    archive = bytearray()
    for number, file in enumerate([*files, File("TRAILER!!!", 0)], start=1):
        name = file.name.encode() + b"\0"
        fields = (number, file.mode, 0, 0, 1, 0, len(file.data), 0, 0, *file.device, len(name), 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields)
        for part in (name, file.data):
            archive += part
            archive += bytes(-len(archive) % 4)
    return bytes(archive)


def boot_modules(image: Image) -> list[str]:
    """The paths of the modules that the root file system needs, in the order to load them."""
    paths: list[str] = []
    for name in ("virtio_pci", "virtiofs", "overlay"):
        command = ["modprobe", "--dirname", image.folder, "--set-version", image.release]
        command += ["--config", "/dev/null", "--show-depends", name]
        try:
            shown = subprocess.run(command, check=False, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise MissingError("modprobe", "not installed", "make setup") from error
        if shown.returncode:
            raise MissingError(
                f"kernel {image.kernel.name}", f"has no {name}", "choose another in tests/vm/kernels.py"
            )
        # "builtin NAME" has no file.
        paths += re.findall(r"^insmod (\S+)", shown.stdout, re.MULTILINE)
    return list(dict.fromkeys(paths))


def initrd(image: Image, shares: dict[str, str]) -> bytes:
    """The archive to boot `image` with; `shares` has the guest's folder of each writable share's tag.

    Raises MissingError if busybox-static or kmod is not installed.
    """
    busybox = shutil.which("busybox")
    if busybox is None:
        raise MissingError("busybox", "not installed", "make setup")
    modules = {os.path.basename(path).removesuffix(".xz"): path for path in boot_modules(image)}
    settings = {
        "MODULES": " ".join(modules),
        "MODULES_DIR": image.modules,
        "SHARES": " ".join(f"{tag}:{folder}" for tag, folder in shares.items()),
    }
    return cpio(
        [
            *(File(name, _FOLDER) for name in _FOLDERS),
            # The kernel writes to it before devtmpfs is mounted.
            File("dev/console", _DEVICE, device=(5, 1)),
            File("bin/busybox", _EXECUTABLE, _content(busybox)),
            File("init", _EXECUTABLE, _content(os.path.join(_HERE, "init.sh"))),
            File("settings", _PLAIN, "".join(f"{k}={shlex.quote(v)}\n" for k, v in settings.items()).encode()),
            *(File(f"modules/{name}", _PLAIN, _content(path)) for name, path in modules.items()),
        ]
    )


def _content(path: str) -> bytes:
    """The contents of a file, unpacked: busybox cannot load compressed modules."""
    with lzma.open(path) if path.endswith(".xz") else open(path, "rb") as file:
        return file.read()
