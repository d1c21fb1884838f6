"""The services that nodes of the director's lab run, each in a namespace of its own."""

import hashlib
import os
import socket
import time
import urllib.request
from collections.abc import Iterator

import pytest

from ecbpf.errors import EcbpfError
from ecbpf.lab.marks import Marks
from ecbpf.lab.namespace import inside_namespace, run_in
from ecbpf.lab.web import WebServer, processes
from ecbpf.lab.web_server import body
from tests.support.shell import sh

MARKS = Marks(60, "192.0.2.2", "2001:db8::2")
WEB = WebServer("real1", udp=("127.0.0.1", "::1"))


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"ecbpf-duty-{os.getpid()}"
    sh(f"ip netns add {name}; ip -n {name} link set lo up")
    yield name
    WEB.stop(name)
    sh(f"ip netns del {name} 2>/dev/null || true")


def get(namespace: str, path: str) -> bytes:
    # The opener of urllib would connect in a thread's network just as well; proxies are the machine's.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with inside_namespace(namespace), opener.open(f"http://127.0.0.1/{path}", timeout=5) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("size", [0, 1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_bytes_are_as_many_as_wanted_and_always_the_same(namespace: str, size: int) -> None:
    WEB.start(namespace)
    got = get(namespace, f"bytes/{size}")
    assert len(got) == size
    assert hashlib.sha256(got).digest() == hashlib.sha256(b"".join(body(size))).digest()


def test_a_web_server_says_its_name(namespace: str) -> None:
    WEB.start(namespace)
    assert get(namespace, "id") == b"real1\n"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(namespace, "etc/passwd")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_datagram_comes_back_from_where_it_went(namespace: str, address: str) -> None:
    WEB.start(namespace)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside_namespace(namespace), socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((address, 443))
        client.send(b"hello")
        assert client.recv(100) == b"real1 hello"


def test_a_web_server_is_started_once_and_ended(namespace: str) -> None:
    assert WEB.problems(namespace) == ["no web server"]
    WEB.start(namespace)
    WEB.start(namespace)
    assert WEB.problems(namespace) == []
    assert len(processes(namespace)) == 1
    WEB.stop(namespace)
    WEB.stop(namespace)
    assert WEB.problems(namespace) == ["no web server"]


def test_a_web_server_inherits_nothing(namespace: str) -> None:
    """No lock, no pipe, no terminal, no folder."""
    WEB.start(namespace)
    (process,) = processes(namespace)
    held = {os.readlink(f"/proc/{process}/fd/{number}") for number in os.listdir(f"/proc/{process}/fd")}
    assert {name for name in held if not name.startswith(("socket:", "anon_inode:"))} == {"/dev/null"}
    assert os.readlink(f"/proc/{process}/cwd") == "/"
    assert os.getsid(process) != os.getsid(0)


def test_a_web_server_ends_with_the_name_of_its_network(namespace: str) -> None:
    WEB.start(namespace)
    (process,) = processes(namespace)
    sh(f"ip netns del {namespace}")
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{process}"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_port_in_use(namespace: str) -> None:
    refused = pytest.raises(EcbpfError, match="web server real1: Address already in use")
    with inside_namespace(namespace), socket.create_server(("127.0.0.1", 80)), refused:
        WEB.start(namespace)
    assert WEB.problems(namespace) == ["no web server"]


def test_marks_are_repaired_and_replaced(namespace: str) -> None:
    assert MARKS.problems(namespace) != []
    MARKS.start(namespace)
    MARKS.start(namespace)
    assert MARKS.problems(namespace) == []
    shown = run_in(namespace, "nft", "list", "table", "inet", "ecbpf_lab")
    assert shown.count("meta mark set 0x0000003c") == 2
