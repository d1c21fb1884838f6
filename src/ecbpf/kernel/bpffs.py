"""bpffs, where pins live: whether it is mounted, and mounting it."""

import ctypes
import errno
import os

from ecbpf.errors import MissingError, kernel_error
from ecbpf.notices import notify

__all__ = ["BPFFS", "is_bpffs", "mount_bpffs", "pin_name"]

BPFFS = "/sys/fs/bpf"
_BPF_FS_MAGIC = 0xCAFE4A11  # <linux/magic.h>

_libc = ctypes.CDLL(None, use_errno=True)


def is_bpffs(path: str = BPFFS) -> bool:
    """Whether `path` lies in a bpffs."""
    # struct statfs begins with the type; its size differs between machines, 256 bytes are enough for any.
    buffer = ctypes.create_string_buffer(256)
    if _libc.statfs(os.fsencode(path), buffer):
        return False
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF == _BPF_FS_MAGIC


def mount_bpffs(path: str = BPFFS) -> None:
    """Mount a bpffs on `path` if there is none, and say so on standard error.

    Not in a private mount namespace (`ip netns exec` makes one): the pins, and the programs with them, would
    vanish when its last process ends.
    Raises MissingError, KernelError, NotPermittedError.
    """
    if is_bpffs(path):
        return
    if not os.path.isdir(path):
        raise MissingError(path, "no such directory", "is sysfs mounted, and CONFIG_BPF_SYSCALL on?")
    if _in_private_mount_namespace():
        raise MissingError(
            path,
            "no bpffs in this mount namespace, where pins would vanish with the command",
            "use nsenter --net=/run/netns/NAME instead of ip netns exec",
        )
    if _libc.mount(b"bpf", os.fsencode(path), b"bpf", 0, b"mode=0700"):
        code = ctypes.get_errno()
        if code == errno.ENODEV:
            raise MissingError(path, "the kernel has no bpffs", "boot one with CONFIG_BPF_SYSCALL")
        raise kernel_error(path, code)
    notify(f"mounted bpffs on {path}")


def _in_private_mount_namespace() -> bool:
    """Whether an ancestor of this process is in another mount namespace."""
    own = os.stat("/proc/self/ns/mnt")
    pid = os.getppid()
    while pid > 0:
        try:
            other = os.stat(f"/proc/{pid}/ns/mnt")
            # Without permission, Linux 5.10 gives the stat of the symbolic link itself, on procfs.
            if other.st_dev == own.st_dev and other.st_ino != own.st_ino:
                return True
        except PermissionError:
            pass  # PID 1, on hardened machines
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:
                # pid (name) state ppid, proc(5); the name may hold anything.
                pid = int(stat.read().rpartition(b")")[2].split()[1])
        except FileNotFoundError:
            return False
    return False


def pin_name(interface: str) -> str:
    """The folder name for an interface: bpffs reserves dots, and no interface name contains a colon."""
    return interface.replace(".", ":")
