"""One change to the lab at a time."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ecbpf.errors import NotPermittedError

__all__ = ["locked"]

_PATH = "/run/ecbpf-lab.lock"


@contextmanager
def locked() -> Iterator[None]:
    """Hold the machine's lab lock; waits until it is free. Raises NotPermittedError."""
    try:
        lock = os.open(_PATH, os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError as error:
        raise NotPermittedError(_PATH, errno.EACCES, "run it as root") from error
    try:
        # An `ip` that outlives its killed parent holds the lock until it is done.
        os.set_inheritable(lock, True)
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
