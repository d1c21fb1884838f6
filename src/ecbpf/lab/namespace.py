"""Network namespaces by name, as `ip netns` keeps them, and entering one."""

import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ecbpf.errors import EcbpfError, MissingError, kernel_error
from ecbpf.lab.topology import CLIENT_SERVER, Topology

__all__ = ["enter", "inside", "inside_namespace", "is_namespace", "namespace_path", "require_namespaces"]

_CLONE_NEWNET = 0x40000000  # <linux/sched.h>
_OWN = "/proc/thread-self/ns/net"


def namespace_path(namespace: str) -> str:
    """The file that holds `namespace`."""
    return f"/run/netns/{namespace}"


def require_namespaces() -> None:
    """Raise MissingError if the kernel knows no network namespaces."""
    if not os.path.exists(_OWN):
        raise MissingError("the kernel", "it has no network namespaces", "it needs CONFIG_NET_NS")


def is_namespace(namespace: str) -> bool:
    """Whether there is a namespace of that name.

    An `ip netns add` that was killed leaves an empty file: the name of no namespace.
    """
    try:
        return os.stat(namespace_path(namespace)).st_dev == os.stat(_OWN).st_dev
    except FileNotFoundError:
        return False


def enter(name: str, topology: Topology = CLIENT_SERVER) -> None:
    """Move this thread, and what it starts from now on, to the network of the node `name`.

    Only the network changes. `ip netns exec` makes a new mount namespace besides, where /sys
    is mounted anew (iproute2, lib/namespace.c, netns_switch): what is pinned below
    /sys/fs/bpf cannot be seen from there, and what is pinned there is gone at its exit.

    Raises UsageError for a name the lab has not, EcbpfError if the lab is not up,
    NotPermittedError, KernelError.
    """
    namespace = topology.node(name).namespace
    if not is_namespace(namespace):
        raise EcbpfError(name, f"there is no network namespace {namespace}", "ecbpf lab up")
    _enter(namespace)


def _enter(namespace: str) -> None:
    descriptor = os.open(namespace_path(namespace), os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(descriptor)
    except OSError as error:
        raise kernel_error(f"network namespace {namespace}", error.errno or errno.EIO) from error
    finally:
        os.close(descriptor)


@contextmanager
def inside(name: str, topology: Topology = CLIENT_SERVER) -> Iterator[None]:
    """inside_namespace() of the node `name`. Raises what enter() raises."""
    with _back_afterwards():
        enter(name, topology)
        yield


@contextmanager
def inside_namespace(namespace: str) -> Iterator[None]:
    """Be in the network of that name for a `with` block: this thread and no other.

    A socket opened in the block stays in that network; so does a process started in it.
    Raises KernelError, NotPermittedError, OSError if there is none of that name.
    """
    with _back_afterwards():
        _enter(namespace)
        yield


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
