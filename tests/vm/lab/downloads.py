"""Downloads by the client of the director's lab, during which a test can act."""

import hashlib
import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass

from ecbpf import lab
from ecbpf.lab.web_server import body

__all__ = ["CLIENT", "Download", "download", "expected", "open_download"]

CLIENT = "director/client"
_PATIENCE = 30.0  # seconds without a byte
_PIECE = 1 << 16
_KEPT = 1 << 10


def expected(size: int) -> str:
    """The SHA-256 of /bytes/`size`."""
    digest = hashlib.sha256()
    for piece in body(size):
        digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True)
class Download:
    """The result: the first kilobyte, size and digest, and the time that it took."""

    body: bytes
    size: int
    sha256: str
    seconds: float


class open_download:  # noqa: N801
    """A download that has begun: the header of the answer has come. `finish()` reads the rest."""

    def __init__(self, vip: str, path: str) -> None:
        self._start = time.monotonic()
        self._connection = http.client.HTTPConnection(vip, 80, timeout=_PATIENCE)
        with lab.inside(CLIENT):
            self._connection.connect()
        self._connection.request("GET", f"/{path}")
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200
        self._digest = hashlib.sha256()
        self._size = 0
        self._head = b""

    @property
    def port(self) -> int:
        """The client's port."""
        return int(self._connection.sock.getsockname()[1])

    def read(self, size: int) -> int:
        """Read up to `size` bytes more; returns how many came, fewer only at the end."""
        taken = 0
        while taken < size and (piece := self._answer.read(min(_PIECE, size - taken))):
            self._digest.update(piece)
            self._head += piece[: _KEPT - len(self._head)]
            taken += len(piece)
        self._size += taken
        return taken

    def finish(self) -> Download:
        """Read the rest."""
        while self.read(_PIECE):
            pass
        self._connection.close()
        return Download(self._head, self._size, self._digest.hexdigest(), time.monotonic() - self._start)


def download(vip: str, path: str, act: Callable[[], object] | None = None, act_after: int = 0) -> Download:
    """A whole download; act: called when `act_after` bytes have come."""
    running = open_download(vip, path)
    if act is not None:
        running.read(act_after)
        act()
    return running.finish()
