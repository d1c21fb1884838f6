"""The kernel's trace pipe, where bpf_printk() lines go."""

from __future__ import annotations

import ctypes
import errno
import os

from ecbpf.errors import MissingError, kernel_error
from ecbpf.notices import notify

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TRACEFS", "lines"]

TRACEFS = "/sys/kernel/tracing"

_libc = ctypes.CDLL(None, use_errno=True)


def lines() -> Iterator[str]:
    """The lines of the trace pipe as they come, without end; mounts tracefs if needed, and says so.

    Raises MissingError (a kernel without tracing), KernelError, NotPermittedError.
    """
    path = os.path.join(TRACEFS, "trace_pipe")
    _mount()
    try:
        with open(path, encoding="utf-8", errors="replace") as pipe:
            for line in pipe:
                yield line.rstrip("\n")
    except OSError as error:
        hint = "is another reader there?" if error.errno == errno.EBUSY else ""
        raise kernel_error(path, error.errno or 0, hint) from None


def _mount() -> None:
    if os.path.exists(os.path.join(TRACEFS, "trace")) or os.path.ismount(TRACEFS):
        return
    if not os.path.isdir(TRACEFS):
        raise MissingError(TRACEFS, "the kernel has no tracing", "boot one with CONFIG_TRACING")
    if _libc.mount(b"tracefs", os.fsencode(TRACEFS), b"tracefs", 0, None):
        raise kernel_error(TRACEFS, ctypes.get_errno())
    notify(f"mounted tracefs on {TRACEFS}")
