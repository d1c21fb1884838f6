"""The web server of the lab's real servers: ``python -m ecbpf.lab.web_server NAMESPACE NAME ADDRESS...``.

GET /id answers with NAME and a newline, GET /bytes/N with N bytes, the same as body(N). A datagram to port 443
of an ADDRESS comes back with NAME and a space in front. It writes no log. When it listens it goes to the
background, and it ends when its network is no longer called NAMESPACE.
"""

import hashlib
import os
import selectors
import socket
import socketserver
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

from ecbpf.lab.namespace import namespace_path

__all__ = ["body", "main"]

_BLOCK = hashlib.shake_128(b"ecbpf").digest(1 << 20)
_HTTP, _QUIC = 80, 443


def body(size: int) -> Iterator[bytes]:
    """The `size` bytes of /bytes/`size`, in pieces: one block repeated."""
    for offset in range(0, size, len(_BLOCK)):
        yield _BLOCK[: size - offset]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    node = ""

    def do_GET(self) -> None:
        """Answer a request; http.server calls it."""
        kind, _, size = self.path.removeprefix("/").partition("/")
        if kind == "id" and not size:
            self._answer(200, [f"{self.node}\n".encode()])
        elif kind == "bytes" and size.isdecimal():
            self._answer(200, body(int(size)), int(size))
        else:
            self._answer(404, [b"GET /id or /bytes/N\n"])

    def _answer(self, status: int, pieces: "Iterator[bytes] | list[bytes]", length: int | None = None) -> None:
        size = sum(map(len, pieces)) if isinstance(pieces, list) else length
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


class _Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, namespace: str) -> None:
        self._path = namespace_path(namespace)
        super().__init__(("::", _HTTP), _Handler, bind_and_activate=False)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.server_bind()
        self.server_activate()

    def service_actions(self) -> None:
        """End when the namespace has lost its name; socketserver calls this twice a second."""
        try:
            if os.stat(self._path).st_ino == os.stat("/proc/self/ns/net").st_ino:
                return
        except FileNotFoundError:
            pass
        raise SystemExit

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that close the connection early."""


def _answer_datagrams(sockets: list[socket.socket], name: str) -> None:
    with selectors.DefaultSelector() as selector:
        for listener in sockets:
            selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                try:
                    datagram, sender = key.fileobj.recvfrom(1 << 16)
                    key.fileobj.sendto(f"{name} ".encode() + datagram, sender)
                except OSError:  # too long with the name in front, or an ICMP error for an earlier datagram
                    continue


def _datagram_socket(address: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((address, _QUIC))  # one socket per address: an answer comes from the address that was asked
    return opened


def _go_to_the_background() -> None:
    """Detach from the starting process: its exit says that everything listens."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    os.close(null)


def main(namespace: str, name: str, addresses: list[str]) -> None:
    """Serve until `namespace` is gone. Raises SystemExit with one line if a port is already in use."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # the lab's lock among them
    _Handler.node = name
    try:
        datagrams = [_datagram_socket(address) for address in addresses]
        server = _Server(namespace)
    except OSError as error:
        raise SystemExit(f"web server {name}: {error.strerror}") from error
    with server:
        _go_to_the_background()
        threading.Thread(target=_answer_datagrams, args=(datagrams, name), daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
