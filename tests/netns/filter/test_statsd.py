"""The service that sends the filter's counts to a statsd daemon: started, stopped, disturbed."""

import select
import signal
import subprocess
import sys

import pytest

from ecbpf.chain.occupant import find_root
from tests.support.frames import FLOOD  # from 192.0.2.1
from tests.support.pair import Pair
from tests.support.shell import sh
from tests.support.slots import slot_ids
from tests.support.statsd import Daemon, running, stopped
from tests.support.typed import done

_ALL = 14  # counters


@pytest.fixture
def near(near: str, roots: Pair) -> str:
    sh("ip link set lo up")
    done(f"ecbpf filter attach -i {near},{roots.far}")
    return near


@pytest.mark.parametrize(
    "words", ["serve --statsd 127.0.0.1:{}", "serve --statsd localhost:{}", "statsd --port {}"]
)
def test_every_counter_every_second(near: str, pair: Pair, daemon: Daemon, words: str) -> None:
    done(f"ecbpf filter drop -i {near} 192.0.2.1")
    with running(f"ecbpf filter {words.format(daemon.port)} -i {near},{pair.far}") as process:
        first = daemon.gauges(2 * _ALL)
        assert set(first.values()) == {0}
        assert len(first) == 2 * _ALL
        assert f"xdp.filter.ip_drop_count@{near}" in first
        assert f"xdp.filter.frag_local_count@{pair.far}" in first
        find_root(near).program.test_run(FLOOD)
        counted = f"xdp.filter.ip_drop_count@{near}"
        while (gauges := daemon.gauges(2 * _ALL))[counted] == 0:
            pass  # gauges that were already on their way
        assert gauges == first | {counted: 1}
        assert stopped(process) == (0, "", "")
    assert slot_ids(find_root(near))[2] is not None, "the filter stays without --detach-on-exit"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ecbpf filter serve -i {} --statsd localhost:{} --detach-on-exit", ""),
        ("ecbpf filter statsd -i {} --host localhost --port {} --detach-on-exit", ""),
        (
            "xdp_filter --attach --interface {} --statsd --statsd-port {} --statsd-detach-on-exit",
            "near0: filter replaced in slot 2\nfar0: filter replaced in slot 2\n",
        ),
    ],
)
def test_it_detaches_when_stopped_if_asked_to(
    near: str, pair: Pair, daemon: Daemon, number: int, line: str, said: str
) -> None:
    with running(line.format(f"{near},{pair.far}", daemon.port)) as process:
        daemon.gauges(_ALL)  # the far interface's are still to come: it may be stopped anywhere
        out = f"{said}{near}: slot 2 emptied\n{pair.far}: slot 2 emptied\n"
        assert stopped(process, number) == (0, out, "")
    assert [slot_ids(find_root(name))[2] for name in (near, pair.far)] == [None, None]


def test_settings_and_statsd_at_once(near: str, daemon: Daemon) -> None:
    to = f"--statsd --statsd-host 127.0.0.1 --statsd-port {daemon.port}"
    with running(f"xdp_filter --interface {near} --ptb-max-pps 3 {to}") as process:
        daemon.gauges(_ALL)
        assert stopped(process) == (0, f"{near}: ptb_max_pps is 3, was 20\n", "")


def test_a_daemon_that_comes_later(near: str) -> None:
    absent = Daemon()
    absent.close()
    with running(f"ecbpf filter serve -i {near} --statsd 127.0.0.1:{absent.port}") as process:
        done(f"ecbpf filter status -i {near}")
        late = Daemon(absent.port)
        assert len(late.gauges(_ALL)) == _ALL
        late.close()
        later = Daemon(absent.port)  # it was restarted
        assert later.gauges(1)
        later.close()
        assert stopped(process) == (0, "", "")


def test_a_filter_that_goes_and_comes_back(near: str, pair: Pair, daemon: Daemon) -> None:
    with running(f"ecbpf filter serve -i {near},{pair.far} --statsd 127.0.0.1:{daemon.port}") as process:
        daemon.gauges(_ALL)
        done(f"ecbpf filter detach -i {near}")
        assert process.stderr is not None
        assert process.stderr.readline() == (
            f"ecbpf: {near}: no filter in slot 2; attach it: ecbpf filter attach -i {near}\n"
        )
        while any(name.endswith(near) for name in daemon.gauges(1)):
            pass
        done(f"ecbpf filter attach -i {near}")
        while not any(name.endswith(near) for name in daemon.gauges(1)):
            pass
        assert stopped(process) == (0, "", "")


def test_an_interface_that_is_deleted_meanwhile(near: str, pair: Pair, daemon: Daemon) -> None:
    """The error names it once; the other interfaces go on, and are detached at the end."""
    sh("ip link add other0 type veth peer name other1")
    done("ecbpf attach other0")
    done("ecbpf filter attach -i other0")
    line = f"ecbpf filter serve -i other0,{near} --statsd 127.0.0.1:{daemon.port} --detach-on-exit"
    gone = "ecbpf: other0: no such interface in this network namespace; see `ip link`\n"
    with running(line) as process:
        daemon.gauges(_ALL)
        sh("ip link del other0")
        assert process.stderr is not None
        assert process.stderr.readline() == gone
        for _ in range(3):  # the first may be from before
            while f"xdp.filter.eth_frame_err@{near}" not in daemon.gauges(1):
                pass
        assert stopped(process) == (0, f"{near}: slot 2 emptied\n", gone)
    assert slot_ids(find_root(near))[2] is None


_ONCE_UNREADABLE = """
import errno, os, sys
import psutil
from ecbpf.cli.main import main

readable, reads = psutil.net_if_addrs, []

def net_if_addrs():
    reads.append(1)
    if len(reads) == 2:
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
    return readable()

psutil.net_if_addrs = net_if_addrs
sys.exit(main(sys.argv[1:]))
"""


def test_addresses_that_cannot_be_read_for_once(near: str, daemon: Daemon) -> None:
    """The service reports it, goes on, and detaches at the end."""
    words = f"filter serve -i {near} --statsd 127.0.0.1:{daemon.port} --detach-on-exit".split()
    line = [sys.executable, "-c", _ONCE_UNREADABLE, *words]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            daemon.gauges(_ALL)
            sh(f"ip address add 10.9.0.1/24 dev {near}")
            assert process.stderr is not None
            assert "No buffer space available" in process.stderr.readline()
            while daemon.socket in select.select([daemon.socket], [], [], 0)[0]:
                daemon.gauges(1)
            daemon.gauges(_ALL)
            assert stopped(process) == (0, f"{near}: slot 2 emptied\n", "")
        finally:
            process.kill()
    assert slot_ids(find_root(near))[2] is None
