"""Where the pins of a root array are, and the lock under which they change.

``/sys/fs/bpf/ecbpf/IFNAME/`` for an interface of the machine's own network namespace, else
``/sys/fs/bpf/ecbpf/netns:INODE/IFNAME/``, because all namespaces share one bpffs but not their interface names.
Each namespace also has the folder ``tc-egress-programs/`` beside them: see egress.py.

The truth about an interface is what the kernel runs there; pins keep it alive and give it names. So the next
command can make any missing or outdated pin again. There is one trap: the kernel empties a PROG_ARRAY when its
last descriptor and pin are gone, even if programs still use it (prog_array_map_clear() in kernel/bpf/arraymap.c).
So maps are pinned before the program is attached.
"""

import contextlib
import contextvars
import errno
import fcntl
import os
import time
from collections.abc import Iterator

from ecbpf.errors import BusyError, KernelError, kernel_error
from ecbpf.kernel.bpffs import BPFFS, is_bpffs, mount_bpffs, pin_name
from ecbpf.kernel.xdp import XdpLink

__all__ = [
    "egress_folder",
    "egress_folders",
    "folder_of",
    "folders",
    "live_link",
    "locked",
    "make_folder",
    "remove_empty_folders",
    "remove_folder",
    "rename_folder",
    "slot_folder",
    "staged_folder",
]

_HOME = os.path.join(BPFFS, "ecbpf")
_NAMESPACE = "netns:"
_EGRESS = "tc-egress-programs"  # longer than an interface's name can be
_LOCK_SECONDS = 30

_held_here = contextvars.ContextVar("the lock is held by this thread", default=False)


def _namespace_folder() -> str:
    # Only the machine's own namespace has this sysctl (net_core_table in net/core/sysctl_net_core.c);
    # not every system lets even root read /proc/1/ns/net.
    if os.path.exists("/proc/sys/net/core/netdev_budget"):
        return _HOME
    return os.path.join(_HOME, f"{_NAMESPACE}{os.stat('/proc/self/ns/net').st_ino}")


def folder_of(interface: str) -> str:
    """The folder of that interface of this network namespace, whether it exists or not."""
    return os.path.join(_namespace_folder(), pin_name(interface))


def egress_folder() -> str:
    """The folder where this namespace's tc egress links are pinned, named by interface index."""
    return os.path.join(_namespace_folder(), _EGRESS)


def slot_folder(folder: str, slot: int) -> str:
    """The folder with the pins of the subprogram in a slot."""
    return os.path.join(folder, f"slot{slot}")


def staged_folder(folder: str, slot: int) -> str:
    """The folder with the pins of a slot's next subprogram, until it is in the slot."""
    return slot_folder(folder, slot) + ":new"


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Hold the lock of all ecbpf commands that change something; mounts bpffs if necessary.

    A thread that holds it may take it again. The kernel releases it when the holder dies.
    Raises BusyError after 30 s, MissingError, KernelError.
    """
    if _held_here.get():
        yield
        return
    with _lock():
        before = _held_here.set(True)
        try:
            yield
        finally:
            _held_here.reset(before)


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    mount_bpffs()
    _make(_HOME)
    try:
        fd = os.open(_HOME, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise kernel_error(_HOME, error.errno or errno.EIO) from None
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BusyError(
                        _HOME,
                        f"another command has held the lock for {_LOCK_SECONDS} s",
                        f"see `fuser -v {_HOME}`",
                    ) from None
                time.sleep(0.02)
        yield
    finally:
        os.close(fd)


def _make(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise kernel_error(path, error.errno or errno.EIO) from None


def make_folder(path: str) -> None:
    """Make the folder, and the namespace's folder around it if necessary. Raises KernelError."""
    _make(os.path.dirname(path))
    _make(path)


def remove_folder(path: str, keep: str = "") -> None:
    """Remove a folder and all pins in it, and the namespace's folder around it if that is empty then.

    keep: an entry to keep, and the folder with it. A folder that does not exist is fine. Raises KernelError.
    """
    try:
        for entry in list(os.scandir(path)):
            if entry.is_dir(follow_symlinks=False):
                remove_folder(entry.path)
            elif entry.name != keep:
                os.unlink(entry.path)
        if not keep:
            os.rmdir(path)
            _leave_namespace(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise kernel_error(path, error.errno or errno.EIO) from None


def remove_empty_folders() -> None:
    """Remove empty egress and namespace folders, among them those that a killed command left."""
    for folder in egress_folders():
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    for name in _children(_HOME):
        _remove_namespace(os.path.join(_HOME, name))


def rename_folder(path: str, target: str) -> None:
    """Rename a folder with its pins; `target` must not exist. Raises KernelError."""
    try:
        _make(os.path.dirname(target))
        os.rename(path, target)
    except OSError as error:
        raise kernel_error(path, error.errno or errno.EIO) from None
    _leave_namespace(path)


def _leave_namespace(path: str) -> None:
    """Remove the namespace's folder around `path` if it is empty now."""
    _remove_namespace(os.path.dirname(path))


def _remove_namespace(folder: str) -> None:
    if os.path.basename(folder).startswith(_NAMESPACE):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def folders() -> list[str]:
    """The folders of all interfaces of all namespaces."""
    return [path for path in _folders() if os.path.basename(path) != _EGRESS]


def egress_folders() -> list[str]:
    """The existing egress_folder() of every namespace."""
    return [path for path in _folders() if os.path.basename(path) == _EGRESS]


def _folders() -> list[str]:
    if not is_bpffs():
        return []
    found: list[str] = []
    for name in _children(_HOME):
        path = os.path.join(_HOME, name)
        if name.startswith(_NAMESPACE):
            found += [os.path.join(path, inner) for inner in _children(path)]
        else:
            found.append(path)
    return found


def _children(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return []


def live_link(folder: str) -> XdpLink | None:
    """The link pinned in a folder, None if its interface is gone (it may have moved). Raises KernelError."""
    try:
        link = XdpLink.by_pin(os.path.join(folder, "link"))
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    if link.info.ifindex:
        return link
    link.close()
    return None
