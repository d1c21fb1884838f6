"""``python -m tests.vm.fetch``: kernels from Debian, unpacked into the cache; nothing is installed."""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from ecbpf.cli.main import run
from ecbpf.errors import MissingError
from tests.vm.apt import Suite
from tests.vm.kernels import KERNELS, Image, Kernel, cache_dir, find_image, find_kernel

__all__ = ["fetch", "main"]


def fetch(kernel: Kernel, *, missing_only: bool = False) -> Image:
    """Get the newest `kernel` into the cache; with `missing_only` only if it has none.

    Raises MissingError and EcbpfError; the cache is then as before.
    """
    with _locked():
        cached = _cached(kernel)
        if cached and missing_only:
            return cached
        suite = Suite(kernel.suite, os.path.join(cache_dir(), ".apt", kernel.suite))
        package = suite.newest(kernel.package)
        version = f"{package} {suite.version(package)} of {kernel.suite}"
        if cached and cached.version == version:
            return cached
        with tempfile.TemporaryDirectory(prefix=".new-", dir=cache_dir()) as folder:
            # apt's own user needs access.
            os.chmod(folder, 0o755)
            _unpack(suite.download(suite.parts(package), folder), os.path.join(folder, "root"), version)
            target = os.path.join(cache_dir(), kernel.name)
            if os.path.exists(target):
                os.rename(target, os.path.join(folder, "old"))
            os.rename(os.path.join(folder, "root"), target)
        return find_image(kernel)


def _cached(kernel: Kernel) -> Image | None:
    try:
        return find_image(kernel)
    except MissingError:
        return None


@contextmanager
def _locked() -> Iterator[None]:
    """Lock the cache: one process fetches, the others find what it fetched."""
    os.makedirs(cache_dir(), exist_ok=True)
    lock = os.open(os.path.join(cache_dir(), ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _unpack(debs: list[str], root: str, version: str) -> None:
    os.mkdir(root)
    for deb in debs:
        subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    if not os.path.exists(os.path.join(root, "lib")):
        # Newer packages say /usr/lib.
        os.symlink("usr/lib", os.path.join(root, "lib"))
    shutil.rmtree(os.path.join(root, "usr", "share"), ignore_errors=True)
    (release,) = os.listdir(os.path.join(root, "lib", "modules"))
    subprocess.run(["depmod", "-b", root, release], check=True)
    with open(os.path.join(root, "VERSION"), "w", encoding="utf-8") as file:
        file.write(version + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.vm.fetch", description=__doc__.splitlines()[0])
    parser.add_argument("kernels", nargs="*", metavar="KERNEL", help=f"default: all, {', '.join(KERNELS)}")
    parser.add_argument("--missing", action="store_true", help="fetch only kernels that the cache lacks")
    return run(lambda: _fetch_each(parser.parse_args()))


def _fetch_each(options: argparse.Namespace) -> int:
    for name in options.kernels or KERNELS:
        image = fetch(find_kernel(name), missing_only=options.missing)
        if not options.missing:
            print(f"{name:<10} {image.release:<30} {image.version}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
