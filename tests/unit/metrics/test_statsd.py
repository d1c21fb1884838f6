"""Gauges to a statsd daemon: real sockets on 127.0.0.1, and a clock that the test sets."""

import socket
from collections.abc import Iterator

import pytest

from ecbpf.errors import DataError
from ecbpf.metrics.statsd import LONGEST_PAUSE, Statsd


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def port() -> int:
    """A port that nobody listens on: the kernel refuses a datagram to it at once (ECONNREFUSED)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as once:
        once.bind(("127.0.0.1", 0))
        number: int = once.getsockname()[1]
        return number


@pytest.fixture
def statsd(port: int, clock: Clock) -> Iterator[Statsd]:
    made = Statsd("127.0.0.1", port, clock=clock)
    yield made
    made.close()


def _daemon(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", port))
    listening.settimeout(5)
    return listening


def _pauses(statsd: Statsd, clock: Clock, gauges: dict[str, int], count: int) -> list[float]:
    """How long it pauses while the daemon is away, asked to send once per second."""
    found: list[float] = []
    failed_at = None
    while len(found) < count:
        assert clock.now < 10_000, found
        statsd.send(gauges)
        if statsd._not_before > clock.now and failed_at != statsd._not_before:
            failed_at = statsd._not_before
            found.append(failed_at - clock.now)
        clock.now += 1
    return found


def test_one_gauge_per_datagram(statsd: Statsd, port: int) -> None:
    with _daemon(port) as daemon:
        statsd.send({"xdp.filter.ip_drop_count@eth0": 7, "xdp.filter.ip6_drop_count@eth0": 2**64 - 1})
        assert daemon.recv(1500) == b"xdp.filter.ip_drop_count@eth0:7|g"
        assert daemon.recv(1500) == b"xdp.filter.ip6_drop_count@eth0:18446744073709551615|g"
        statsd.send({})
        daemon.setblocking(False)
        with pytest.raises(BlockingIOError):
            daemon.recv(1500)


_DOUBLING = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, LONGEST_PAUSE, LONGEST_PAUSE]


@pytest.mark.parametrize(
    "gauges",
    [
        # The error for the first comes back before the second goes out, as from this host.
        {"a": 1, "b": 2},
        # It comes back after all have gone out, as from a host some milliseconds away.
        {"a": 1},
    ],
    ids=["near", "far"],
)
def test_the_pause_doubles_up_to_ten_minutes(statsd: Statsd, clock: Clock, gauges: dict[str, int]) -> None:
    assert _pauses(statsd, clock, gauges, 12) == _DOUBLING


def test_the_pause_doubles_for_several_interfaces_and_a_remote_daemon(
    statsd: Statsd, clock: Clock, port: int
) -> None:
    """The error comes back after the gauges of the second interface have gone out too."""
    for pause in (1.0, 2.0, 4.0, 8.0):
        with _daemon(port):
            statsd.send({"a@eth0": 1})
        statsd.send({"a@eth1": 1})
        clock.now += 1
        assert statsd._not_before < clock.now, "nothing is wrong so far"
        statsd.send({"a@eth0": 1})
        assert statsd._not_before == clock.now + pause
        clock.now += pause


def test_nothing_is_sent_in_a_pause(statsd: Statsd, clock: Clock, port: int) -> None:
    statsd.send({"a": 1, "b": 2})
    with _daemon(port) as daemon:
        clock.now += 0.99
        statsd.send({"a": 3})
        clock.now += 0.01
        statsd.send({"a": 4})
        assert daemon.recv(1500) == b"a:4|g"


def test_a_daemon_that_comes_back_is_served_every_time_again(statsd: Statsd, clock: Clock, port: int) -> None:
    _pauses(statsd, clock, {"a": 1, "b": 2}, 9)
    clock.now += LONGEST_PAUSE
    with _daemon(port) as daemon:
        for value in range(3):
            statsd.send({"a": value})
            assert daemon.recv(1500) == f"a:{value}|g".encode()
            clock.now += 1
    assert _pauses(statsd, clock, {"a": 1, "b": 2}, 3) == [1.0, 2.0, 4.0], "the old pauses are forgotten"


def test_it_never_blocks(statsd: Statsd, clock: Clock, port: int) -> None:
    assert not statsd._socket.getblocking()
    with _daemon(port):  # it reads nothing
        statsd._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        many = {f"{'x' * 1000}{n}": n for n in range(2000)}
        statsd.send(many)


def test_a_missing_route_is_like_an_absent_daemon(clock: Clock) -> None:
    statsd = Statsd("255.255.255.255", 8125, clock=clock)  # a broadcast: EACCES for such a socket, in connect()
    assert _pauses(statsd, clock, {"a": 1}, 3) == [1.0, 2.0, 4.0]
    statsd.close()


@pytest.mark.parametrize("host", ["nosuch.invalid", "", "a..b", "x" * 300, "1.2.3.4.5"])
def test_an_unknown_host(host: str) -> None:
    with pytest.raises(DataError, match=r"no address of a statsd daemon: .+; give the name"):
        Statsd(host)


def test_a_daemon_over_ip6(clock: Clock) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as daemon:
        try:
            daemon.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        daemon.settimeout(5)
        statsd = Statsd("::1", daemon.getsockname()[1], clock=clock)
        statsd.send({"a": -1})
        assert daemon.recv(1500) == b"a:-1|g"
        statsd.close()
