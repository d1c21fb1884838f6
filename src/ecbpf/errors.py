"""Every error that ecbpf raises, under one base, each with its exit status.

An error says what went wrong with which thing, why, and what to do about it; the
command line prints it as one line, ``ecbpf: what: why; what to do``.

The exit statuses are those of sysexits(3) where one fits.
"""

import errno as _errno
import os

__all__ = [
    "BusyError",
    "DataError",
    "EcbpfError",
    "KernelError",
    "MissingError",
    "NotPermittedError",
    "UsageError",
    "kernel_error",
]


class EcbpfError(Exception):
    """Base of all; by itself: the operation failed.

    what: the thing, for instance an interface or a path. why: what is wrong with it.
    hint: what the reader can do ("" when there is nothing to say).
    """

    exit_status = 1

    def __init__(self, what: str, why: str, hint: str = "") -> None:
        super().__init__(what, why, hint)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        line = f"{self.what}: {self.why}"
        return f"{line}; {self.hint}" if self.hint else line


class UsageError(EcbpfError):
    """A usage error: the command line or an argument is wrong (EX_USAGE)."""

    exit_status = 64


class DataError(EcbpfError):
    """A file or value that was given is not what it should be (EX_DATAERR)."""

    exit_status = 65


class MissingError(EcbpfError):
    """A kernel feature, library or file system is not there (EX_UNAVAILABLE)."""

    exit_status = 69


class BusyError(EcbpfError):
    """The thing is in use by another program or command; nothing was changed."""


class KernelError(EcbpfError):
    """The kernel refused; `errno` says with what."""

    def __init__(self, what: str, errno: int, hint: str = "") -> None:
        name = _errno.errorcode.get(errno, f"errno {errno}")
        super().__init__(what, f"{os.strerror(errno)} ({name})", hint)
        self.errno = errno


class NotPermittedError(KernelError):
    """The caller lacks the rights (EX_NOPERM)."""

    exit_status = 77


def kernel_error(what: str, errno: int, hint: str = "") -> KernelError:
    """The error to raise for a call that failed with `errno`: no rights is a class of its own."""
    if errno == _errno.EPERM:
        return NotPermittedError(what, errno, hint or "run it as root")
    return KernelError(what, errno, hint)
