"""Traffic without a pause, and how much of it gets through."""

import struct
import threading

from tests.support.frames import FLOOD, packet_socket, refused
from tests.support.pair import Pair

__all__ = ["Flood"]

_SOL_PACKET, _PACKET_STATISTICS = 263, 6  # <linux/if_packet.h>; reading the counts resets them


class Flood:
    """Sends the same frame from the far end until stopped, and counts what the near end's stack gets."""

    def __init__(self, pair: Pair) -> None:
        self.sent = 0
        self.frame = FLOOD
        self._far = pair.far
        self._stop = threading.Event()
        self._wire = packet_socket(pair.far)
        self._stack = packet_socket(pair.near)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            for _ in range(64):
                self._wire.send(self.frame)
            self.sent += 64

    @property
    def on_the_wire(self) -> int:
        """The number of frames that reached the near end."""
        return self.sent - refused(self._far)

    def __enter__(self) -> "Flood":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def leaked(self) -> int:
        """The number of frames that reached the stack, including those that found the socket's buffer full."""
        packets, _drops = struct.unpack("II", self._stack.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        return int(packets)

    def close(self) -> None:
        self._wire.close()
        self._stack.close()
