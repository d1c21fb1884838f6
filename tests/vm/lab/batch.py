"""A batch of small and big downloads, some of them running when something happens to the director."""

import threading
import time
from collections.abc import Callable, Sequence

from tests.vm.lab.downloads import Download, download, expected, open_download

__all__ = ["BATCH_SIZES", "Running", "check", "run_batch"]

_BIG = (8_000_000, 3_000_000, 2_000_000)
_SMALL = (1_000, 1_000, 10_000, 100_000, 300_000, 1_000_000)
BATCH_SIZES = (*_BIG, *_SMALL)

_QUARTER = 4
_PIECE = 1 << 16
_CRAWL = 0.02  # seconds between two pieces, until it has happened


class Running:
    """A download of /bytes/`size` in a thread: from its first quarter on slow, until it is let go."""

    def __init__(self, vip: str, size: int) -> None:
        self.vip, self.size = vip, size
        self._download = open_download(vip, f"bytes/{size}")
        self.port = self._download.port
        self._begun, self._let_go = threading.Event(), threading.Event()
        self._result: Download | Exception | None = None
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            self._download.read(self.size // _QUARTER)
            self._begun.set()
            while not self._let_go.is_set() and self._download.read(_PIECE):
                time.sleep(_CRAWL)
            self._result = self._download.finish()
        except Exception as error:  # raised again in finish()
            self._result = error
        finally:
            self._begun.set()

    def wait_for_the_middle(self) -> None:
        """Return when a quarter has come."""
        self._begun.wait()

    def finish(self) -> Download:
        """Continue at full speed, and wait for the end. Raises the error that broke it."""
        self._let_go.set()
        self._thread.join()
        if isinstance(self._result, Exception):
            raise self._result
        assert self._result is not None
        return self._result


def check(got: Download, size: int) -> None:
    """Assert that all of it came, and correctly."""
    assert got.size == size
    assert got.sha256 == expected(size)


def run_batch(vips: Sequence[str], act: Callable[[Sequence[Running]], object] | None = None) -> None:
    """Downloads of BATCH_SIZES, of the VIPs in turn; act: called in the middle of the big ones.

    Raises AssertionError if one is not correct, and the error that breaks one.
    """
    running = [Running(vips[number % len(vips)], size) for number, size in enumerate(_BIG)]
    try:
        for each in running:
            each.wait_for_the_middle()
        if act is not None:
            act(running)
    finally:
        done = [each.finish() for each in running]
    for got, size in zip(done, _BIG, strict=True):
        check(got, size)
    for number, size in enumerate(_SMALL):
        check(download(vips[number % len(vips)], f"bytes/{size}"), size)
