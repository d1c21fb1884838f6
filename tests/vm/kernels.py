"""The kernels that guests can boot, and where `make kernels` keeps them."""

import os
from dataclasses import dataclass

from ecbpf.errors import MissingError, UsageError

__all__ = ["DEFAULT", "KERNELS", "Image", "Kernel", "cache_dir", "find_image", "find_kernel"]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that Debian builds.

    suite: where it is published. package: a regular expression for the name of its image or
    meta-package; of several that match in full, the one with the highest version in its name is meant.
    """

    name: str
    suite: str
    package: str


# The cloud flavours lack drivers for hardware, but nothing that the tests need: IPVS, bonding, 802.1Q,
# dummy and virtiofs are in each of them. 6.1 is here in both flavours, as directors run the other one.
# The meta-packages of trixie-backports follow the newest release: a range of names keeps the series.
_TABLE = (
    Kernel("5.10", "bullseye-security", "linux-image-cloud-amd64"),
    Kernel("6.1-cloud", "bookworm-security", "linux-image-cloud-amd64"),
    Kernel("6.1", "bookworm-security", "linux-image-amd64"),
    Kernel("6.12", "bookworm-security", r"linux-image-6\.12-cloud-amd64"),
    Kernel("6.18", "trixie-backports", r"linux-image-6\.18\.[0-9]+\+deb13-cloud-amd64"),
    Kernel("7.x", "trixie-backports", r"linux-image-7\.[0-9]+\.[0-9]+\+deb13-cloud-amd64"),
)
KERNELS = {kernel.name: kernel for kernel in _TABLE}

# What `make test` boots: the release that directors run, and the flavour that is quick to fetch and boot.
DEFAULT = "6.1-cloud"


@dataclass(frozen=True, slots=True)
class Image:
    """An unpacked kernel: `folder` is the root that it was unpacked to, `release` what uname -r says in it."""

    kernel: Kernel
    folder: str
    release: str

    @property
    def modules(self) -> str:
        """The folder with its modules."""
        return os.path.join(self.folder, "lib", "modules", self.release)

    @property
    def vmlinuz(self) -> str:
        """The kernel itself; since 7.0 or so Debian keeps it with the modules."""
        in_boot = os.path.join(self.folder, "boot", f"vmlinuz-{self.release}")
        return in_boot if os.path.exists(in_boot) else os.path.join(self.modules, "vmlinuz")

    @property
    def version(self) -> str:
        """The package that it comes from, and that package's version."""
        with open(os.path.join(self.folder, "VERSION"), encoding="utf-8") as file:
            return file.read().strip()


def cache_dir() -> str:
    """Where kernels are kept: $ECBPF_KERNELS, or /var/cache/ecbpf/kernels."""
    return os.environ.get("ECBPF_KERNELS") or "/var/cache/ecbpf/kernels"


def find_kernel(name: str) -> Kernel:
    """The kernel `name`. Raises UsageError."""
    if name not in KERNELS:
        raise UsageError(f"kernel {name}", "unknown", f"there are {', '.join(KERNELS)}")
    return KERNELS[name]


def find_image(kernel: Kernel) -> Image:
    """The unpacked `kernel`. Raises MissingError if it is not in the cache."""
    folder = os.path.join(cache_dir(), kernel.name)
    try:
        (release,) = os.listdir(os.path.join(folder, "lib", "modules"))
    except (OSError, ValueError):
        raise MissingError(
            f"kernel {kernel.name}", f"not in {cache_dir()}", f"make kernels KERNELS={kernel.name}"
        ) from None
    return Image(kernel, folder, release)
