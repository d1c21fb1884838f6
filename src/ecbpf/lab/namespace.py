"""Network namespaces by name, as `ip netns` keeps them, and how to enter one."""

import ctypes
import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ecbpf.errors import MissingError, kernel_error
from ecbpf.lab.command import run

__all__ = [
    "enter_namespace",
    "inside_namespace",
    "is_namespace",
    "namespace_path",
    "require_namespaces",
    "run_in",
]

_CLONE_NEWNET = 0x40000000  # <linux/sched.h>
_OWN = "/proc/thread-self/ns/net"


def namespace_path(namespace: str) -> str:
    """The file that holds `namespace`."""
    return f"/run/netns/{namespace}"


def require_namespaces() -> None:
    """Raise MissingError if the kernel has no network namespaces."""
    if not os.path.exists(_OWN):
        raise MissingError("the kernel", "it has no network namespaces", "it needs CONFIG_NET_NS")


def is_namespace(namespace: str) -> bool:
    """Whether there is a namespace of that name.

    An `ip netns add` that was killed leaves an empty file, which is not a namespace.
    """
    try:
        return os.stat(namespace_path(namespace)).st_dev == os.stat(_OWN).st_dev
    except FileNotFoundError:
        return False


def enter_namespace(namespace: str) -> None:
    """Move this thread, and processes that it starts from now on, to the network of that name.

    Only the network changes. `ip netns exec` also makes a new mount namespace with a new /sys
    (iproute2, lib/namespace.c, netns_switch): pins below /sys/fs/bpf cannot be seen from there,
    and pins made there are gone when it exits.

    Raises KernelError, NotPermittedError, OSError if there is no namespace of that name.
    """
    descriptor = os.open(namespace_path(namespace), os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(descriptor)
    except OSError as error:
        raise kernel_error(f"network namespace {namespace}", error.errno or errno.EIO) from error
    finally:
        os.close(descriptor)


@contextmanager
def inside_namespace(namespace: str) -> Iterator[None]:
    """Be in the network of that name for a `with` block: this thread and no other.

    A socket opened in the block stays in that network; so does a process started in it.
    Raises what enter_namespace() raises.
    """
    with _back_afterwards():
        enter_namespace(namespace)
        yield


def run_in(namespace: str, *command: str, script: Sequence[str] = ()) -> str:
    """run() in the network of that name. Raises what run() and enter_namespace() raise."""
    with inside_namespace(namespace):
        return run(*command, script=script)


@contextmanager
def _back_afterwards() -> Iterator[None]:
    before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            yield
        finally:
            _setns(before)
    finally:
        os.close(before)


if sys.version_info >= (3, 12):

    def _setns(descriptor: int) -> None:
        os.setns(descriptor, _CLONE_NEWNET)

else:

    def _setns(descriptor: int) -> None:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
