"""All errors that ecbpf raises, under one base class, each with its exit status.

An error names the thing, what is wrong with it, and what to do about it. The command line prints
it as one line, ``ecbpf: what: why; hint``. Exit statuses are from sysexits(3) where one fits.
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
    """The base class of all errors; raised itself, it means that the operation failed.

    what: the thing, for instance an interface or a path. why: what is wrong with it.
    hint: what the user can do, "" if there is nothing to suggest.
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
    """A given file, name or value is wrong (EX_DATAERR)."""

    exit_status = 65


class MissingError(EcbpfError):
    """A kernel feature, library, tool or file system is missing (EX_UNAVAILABLE)."""

    exit_status = 69


class BusyError(EcbpfError):
    """The thing is in use by another program or command; nothing was changed."""


class KernelError(EcbpfError):
    """The kernel refused the operation with `errno`."""

    def __init__(self, what: str, errno: int, hint: str = "") -> None:
        name = _errno.errorcode.get(errno, f"errno {errno}")
        super().__init__(what, f"{os.strerror(errno)} ({name})", hint)
        self.errno = errno


class NotPermittedError(KernelError):
    """The caller lacks privileges (EX_NOPERM)."""

    exit_status = 77


def kernel_error(what: str, errno: int, hint: str = "") -> KernelError:
    """The error for a call that failed with `errno`: NotPermittedError for EPERM, KernelError for all others."""
    if errno in (_errno.EPERM, _errno.EACCES):
        return NotPermittedError(what, errno, hint or "run it as root")
    return KernelError(what, errno, hint)
