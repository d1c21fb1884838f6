"""Where the pins of a root array lie, and the lock under which they change.

``/sys/fs/bpf/ecbpf/IFNAME/`` for an interface of the machine's own network namespace,
``/sys/fs/bpf/ecbpf/netns:INODE/IFNAME/`` for one of another: bpffs is one for all of them, names are not.
Beside these folders, in each namespace's, is ``tc-egress-programs/``: see egress.py.

The truth about an interface is what the kernel runs there; pins keep it alive and give it names. So any
pin that is missing or out of date can be made again from what runs, by the next command. With one trap: the
kernel empties a PROG_ARRAY when its last descriptor and pin go, though programs still use it
(prog_array_map_clear() in kernel/bpf/arraymap.c). So maps are pinned before the program is attached.
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
    # The machine's own namespace is the only one with this sysctl (net_core_table in
    # net/core/sysctl_net_core.c); /proc/1/ns/net may not be read everywhere, not even by root.
    if os.path.exists("/proc/sys/net/core/netdev_budget"):
        return _HOME
    return os.path.join(_HOME, f"{_NAMESPACE}{os.stat('/proc/self/ns/net').st_ino}")


def folder_of(interface: str) -> str:
    """The folder for that interface of this network namespace, whether it is there or not."""
    return os.path.join(_namespace_folder(), pin_name(interface))


def egress_folder() -> str:
    """Where the links of this namespace's egress programs are pinned, each by the index of its interface."""
    return os.path.join(_namespace_folder(), _EGRESS)


def slot_folder(folder: str, slot: int) -> str:
    """Where the pins of the subprogram in a slot lie."""
    return os.path.join(folder, f"slot{slot}")


def staged_folder(folder: str, slot: int) -> str:
    """Where the pins of the next subprogram of a slot lie until it is in."""
    return slot_folder(folder, slot) + ":new"


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Hold the lock of all ecbpf commands that change something; mounts bpffs if need be.

    A thread that has it may take it again. The kernel lets go of it when the holder dies.
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
    fd = os.open(_HOME, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BusyError(
                        _HOME, f"another command has held the lock for {_LOCK_SECONDS} s", "see `fuser -v` of it"
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
    """Make the folder, and that of its namespace if it is the first there. Raises KernelError."""
    _make(os.path.dirname(path))
    _make(path)


def remove_folder(path: str, keep: str = "") -> None:
    """Remove a folder and all pins in it, and that of its namespace if it is the last there.

    keep: an entry to keep, and the folder with it. What is not there is fine. Raises KernelError.
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
    """Remove what has nothing in it: an egress_folder(), the folder of a namespace; also what a kill left so."""
    for folder in egress_folders():
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    for name in _children(_HOME):
        _remove_namespace(os.path.join(_HOME, name))


def rename_folder(path: str, target: str) -> None:
    """Rename a folder, pins and all; nothing may stand at `target`. Raises KernelError."""
    try:
        _make(os.path.dirname(target))
        os.rename(path, target)
    except OSError as error:
        raise kernel_error(path, error.errno or errno.EIO) from None
    _leave_namespace(path)


def _leave_namespace(path: str) -> None:
    """Remove the folder of the namespace that `path` was in, if it was the last there."""
    _remove_namespace(os.path.dirname(path))


def _remove_namespace(folder: str) -> None:
    if os.path.basename(folder).startswith(_NAMESPACE):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def folders() -> list[str]:
    """The folder of every interface, of every namespace."""
    return [path for path in _folders() if os.path.basename(path) != _EGRESS]


def egress_folders() -> list[str]:
    """egress_folder() of every namespace that has one."""
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
    """The link pinned in a folder if it still holds an interface, wherever that is now. Raises KernelError."""
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
