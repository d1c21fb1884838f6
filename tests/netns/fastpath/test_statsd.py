"""The fast path's counts to a statsd daemon, by the command as it runs for days."""

import json
import os
import signal
import time

import pytest

from ecbpf.chain.occupant import find_root
from ecbpf.fastpath.running import find_fastpath
from tests.netns.fastpath.typed import loaded
from tests.support.frames import FLOOD
from tests.support.shell import sh
from tests.support.statsd import Daemon, running, stopped
from tests.support.typed import done

_ALL = 33  # counters
_SEEN = "xdp.bypass_ipvs.total_pkts_xdp_rx"


@pytest.fixture(autouse=True)
def _installed(host: None) -> None:
    sh("ip link set lo up")
    loaded()


def _once(daemon: Daemon, name: str, value: int) -> dict[str, int]:
    """The first gauges in which it has that value."""
    while (gauges := daemon.gauges(_ALL))[name] != value:
        pass
    return gauges


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_counter_every_second(daemon: Daemon, number: int) -> None:
    with running(f"ecbpf fastpath statsd --host localhost --port {daemon.port}") as process:
        first = daemon.gauges(_ALL)
        assert first == {f"xdp.bypass_ipvs.{name}": 0 for name in find_fastpath().counters()}
        find_root("near0").program.test_run(FLOOD)
        assert _once(daemon, _SEEN, 1) == first | {_SEEN: 1}
        assert stopped(process, number) == (0, "", "")
    assert find_fastpath().ingress == ["near0"], "it stays"


@pytest.mark.parametrize("words", ["statsd --port {}", "serve --statsd 127.0.0.1:{}"])
def test_addresses_are_kept_current(daemon: Daemon, words: str) -> None:
    with running(f"ecbpf fastpath {words.format(daemon.port)}") as process:
        daemon.gauges(_ALL)
        assert find_fastpath().addresses.own == []
        for verb, wanted in (("add", ["10.0.0.1"]), ("del", [])):
            sh(f"ip addr {verb} 10.0.0.1/24 dev near0")
            for _ in range(3):
                daemon.gauges(_ALL)
            assert [str(address) for address in find_fastpath().addresses.own] == wanted
        assert stopped(process) == (0, "", "")


def test_serve_without_statsd(daemon: Daemon) -> None:
    with running("ecbpf fastpath serve") as process:
        for verb, wanted in (("add", ["10.0.0.1"]), ("del", [])):
            sh(f"ip addr {verb} 10.0.0.1/24 dev near0")
            deadline = time.monotonic() + 20
            while [str(address) for address in find_fastpath().addresses.own] != wanted:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        assert stopped(process) == (0, "", "")


def test_one_that_goes_and_comes_back(daemon: Daemon) -> None:
    with running(f"ecbpf fastpath statsd --port {daemon.port}") as process:
        find_root("near0").program.test_run(FLOOD)
        _once(daemon, _SEEN, 1)
        done("ecbpf fastpath detach")
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said == "ecbpf: fast path: not attached; attach it: ecbpf fastpath attach -i IFACES -o IFACES\n"
        sh("ip addr add 10.0.0.1/24 dev near0")
        loaded()
        _once(daemon, _SEEN, 0)
        assert [str(address) for address in find_fastpath().addresses.own] == ["10.0.0.1"]
        done("ecbpf fastpath attach")
        daemon.gauges(_ALL)
        assert stopped(process) == (0, "", ""), "said once"


def test_settings_and_statsd_at_once() -> None:
    """The classic command knows one daemon: this host's, at the usual port."""
    daemon = Daemon(8125)
    with running("xdp_bypass_ipvs -M on -z") as process:
        assert len(daemon.gauges(_ALL)) == _ALL
        assert find_fastpath().settings["monitor"] is True
        assert stopped(process) == (0, "monitor is on, was off\n", "")
    daemon.close()


@pytest.mark.parametrize("verb", ["stats", "status --watch"])
def test_rates_until_it_is_stopped(verb: str) -> None:
    with running(f"ecbpf fastpath {verb} 0.1") as process:
        assert process.stdout is not None
        # Past the buffer, for communicate() reads there too.
        assert os.read(process.stdout.fileno(), 17) == b"total_pkts_xdp_rx"
        done("ecbpf fastpath attach")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")
        assert out.endswith("/s\n\n")


def test_rates_as_json() -> None:
    """One line per look, as `stats 1 --json` prints it."""
    with running("ecbpf fastpath status --watch 0.5 --json") as process:
        assert process.stdout is not None
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    assert list(first) == ["seconds", "counts", "rates"]
    assert 0.25 < second["seconds"] < 5
    assert second["counts"] == find_fastpath().counters()
    assert second["rates"] == dict.fromkeys(second["counts"], 0.0)


@pytest.mark.parametrize("verb", ["stats", "status --watch"])
def test_a_reader_that_stops(verb: str) -> None:
    with running(f"ecbpf fastpath {verb} 0.1") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=20) == 141
        assert process.stderr.read() == ""
