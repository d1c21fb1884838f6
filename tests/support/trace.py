"""The trace pipe, as `ecbpf trace` prints it."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from ecbpf.kernel.tracepipe import TRACEFS

__all__ = ["traced"]


@contextlib.contextmanager
def traced() -> Iterator[Callable[[str, int], list[str]]]:
    """Run `ecbpf trace`; gives a function that waits for `count` lines with a text in them, and returns them.

    The pipe is emptied first: what a test before it logged and nobody read is still in there.
    """
    with contextlib.suppress(FileNotFoundError), open(f"{TRACEFS}/trace", "w", encoding="ascii"):
        pass
    command = [sys.executable, "-m", "ecbpf.cli.main", "trace"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        pipe = process.stdout.fileno()
        os.set_blocking(pipe, False)
        seen = b""

        def lines(text: str, count: int, seconds: float = 10) -> list[str]:
            nonlocal seen
            deadline = time.monotonic() + seconds
            while True:
                with contextlib.suppress(BlockingIOError):
                    while part := os.read(pipe, 65536):
                        seen += part
                found = [line for line in seen.decode().splitlines() if text in line]
                if len(found) >= count or time.monotonic() > deadline:
                    return found
                time.sleep(0.02)

        try:
            yield lines
        finally:
            process.terminate()
