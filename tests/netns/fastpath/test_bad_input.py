"""Bad input to the fast path's commands: one line that says what is wrong, the status, and nothing changed."""

import re
import subprocess

import pytest

from tests.netns.fastpath.typed import loaded, snapshot
from tests.support.typed import command, done, typed

# In at near0, out at far0 by redirect; other0 has a root array, bare0 has none, tun0 is no Ethernet.
_LINES = [
    # command line, exit status, what the one line says
    ("ecbpf fastpath", 64, "the following arguments are required: VERB; see ecbpf fastpath --help"),
    ("ecbpf fastpath frob", 64, "invalid choice: 'frob'"),
    (
        "ecbpf fastpath attach -i nosuch0",
        65,
        "nosuch0: no such interface in this network namespace; see `ip link`",
    ),
    ("ecbpf fastpath attach -o nosuch0", 65, "nosuch0: no such interface in this network namespace"),
    ("ecbpf fastpath attach -i other0,nosuch0", 65, "nosuch0: no such interface"),
    ("ecbpf fastpath attach -a near0,nosuch0", 65, "nosuch0: no such interface"),
    ("ecbpf fastpath attach -i near0,", 65, "no such interface"),
    ("ecbpf fastpath attach -i bare0", 1, "bare0: no root array attached; attach one: ecbpf attach bare0"),
    ("ecbpf fastpath attach -i other0,bare0", 1, "bare0: no root array attached"),
    ("ecbpf fastpath attach -i tun0", 65, "tun0: has no Ethernet address; the fast path needs Ethernet"),
    ("ecbpf fastpath attach -o tun0", 65, "tun0: has no Ethernet address"),
    ("ecbpf fastpath attach -o bare0", 1, "bare0: redirect=on, and no XDP program here"),
    ("ecbpf fastpath attach -i", 64, "argument -i/--interface: expected one argument"),
    (
        "ecbpf fastpath attach near0",
        64,
        "'near0': not a setting of the fast path; NAME=VALUE; names: monitor, limit",
    ),
    ("ecbpf fastpath attach udp", 64, "'udp': not a setting of the fast path"),
    ("ecbpf fastpath attach -i other0 udp=maybe", 64, "udp=maybe: neither on nor off; udp=on or udp=off"),
    ("ecbpf fastpath attach vlan=77", 65, "vlan=77: this host has no such VLAN on near0; ip link add link near0"),
    ("ecbpf fastpath attach sample_seconds=60", 64, "sample_seconds=60: not below inactive_seconds, which is 60"),
    (
        "ecbpf fastpath attach -e 192.0.2",
        64,
        "'192.0.2': not a valid address; give IPv4 or IPv6 addresses, without a prefix",
    ),
    ("ecbpf fastpath attach -e 192.0.2.1,", 64, "'': not a valid address"),
    ("ecbpf fastpath attach -e ''", 64, "'': not a valid address"),
    ("ecbpf fastpath attach --flows 0", 64, "argument --flows: '0' is not a valid number: 1 to 268435456"),
    ("ecbpf fastpath attach --flows 268435457", 64, "not a valid number: 1 to 268435456"),
    (f"ecbpf fastpath attach --flows {'9' * 5000}", 64, "not a valid number: 1 to 268435456"),
    ("ecbpf fastpath attach --flows 1e6", 64, "not a valid number: 1 to 268435456"),
    (
        "ecbpf fastpath attach --flows 268435456",
        1,
        "flow table: not enough memory for 268435456 flows; give a lower",
    ),
    ("ecbpf fastpath detach -i nosuch0", 65, "nosuch0: no such interface"),
    ("ecbpf fastpath detach -i other0", 1, "fast path: not attached to other0; ecbpf fastpath status"),
    ("ecbpf fastpath detach -i other0 -o bare0", 1, "fast path: not attached to other0, bare0"),
    (
        "ecbpf fastpath detach -o near0",
        64,
        "near0: client packets come in there too, and ingress needs the egress",
    ),
    ("ecbpf fastpath detach -i other0 -o near0", 64, "near0: client packets come in there too"),
    ("ecbpf fastpath detach near0", 64, "unrecognized arguments: near0"),
    ("ecbpf fastpath set", 64, "the following arguments are required: NAME=VALUE"),
    ("ecbpf fastpath set monitor", 64, "'monitor': not a setting of the fast path"),
    ("ecbpf fastpath set monitor=on udp=x", 64, "udp=x: neither on nor off"),
    ("ecbpf fastpath set monitor=on vlan=77", 65, "vlan=77: this host has no such VLAN on near0"),
    ("ecbpf fastpath set vlan=0 --force", 64, "vlan=0: not a valid VLAN ID; give 1 to 4094, or -1"),
    ("ecbpf fastpath set vlan=4095", 64, "vlan=4095: not a valid VLAN ID"),
    ("ecbpf fastpath set monitor=on inactive_seconds=1", 64, "sample_seconds=1: not below inactive_seconds"),
    ("ecbpf fastpath set inbound_pps=9+50", 64, "inbound_spike=50: not below inbound_max, which is 50"),
    ("ecbpf fastpath set inbound_pps=9+5+50+1", 64, "more than three numbers; PPS[+SPIKE[+MAX]]"),
    ("ecbpf fastpath set --dry-run vlan=77", 65, "vlan=77: this host has no such VLAN"),
    ("ecbpf fastpath set --dry-run sample_seconds=60", 64, "not below inactive_seconds"),
    ("ecbpf fastpath set -i near0 udp=on", 64, "unrecognized arguments: -i"),
    ("ecbpf fastpath show near0", 64, "unrecognized arguments: near0"),
    ("ecbpf fastpath status near0", 64, "unrecognized arguments: near0"),
    (
        "ecbpf fastpath status --watch 0",
        64,
        "argument --watch: '0' is not a valid number of seconds: 0.1 to 86400",
    ),
    ("ecbpf fastpath clear near0", 64, "unrecognized arguments: near0"),
    ("ecbpf fastpath clear --json", 64, "unrecognized arguments: --json"),
    ("ecbpf fastpath serve near0", 64, "unrecognized arguments: near0"),
    ("ecbpf fastpath serve --statsd nosuch.invalid", 65, "nosuch.invalid:8125: no address of a statsd daemon"),
    ("ecbpf fastpath serve --statsd 127.0.0.1:0", 64, "'0' is not a valid port: 1 to 65535"),
    ("ecbpf fastpath load -i other0,bare0", 1, "bare0: no root array attached"),
    ("ecbpf fastpath unload -i other0", 1, "fast path: not attached to other0; ecbpf fastpath status"),
    ("ecbpf fastpath stats 0", 64, "argument SECONDS: '0' is not a valid number of seconds: 0.1 to 86400"),
    ("ecbpf fastpath stats -1", 64, "'-1' is not a valid number of seconds"),
    ("ecbpf fastpath stats nan", 64, "'nan' is not a valid number of seconds"),
    ("ecbpf fastpath stats inf", 64, "'inf' is not a valid number of seconds"),
    ("ecbpf fastpath stats 1 0", 64, "argument COUNT: '0' is not a valid number: 1 to"),
    ("ecbpf fastpath stats 1 1.5", 64, "argument COUNT: '1.5' is not a valid number: 1 to"),
    ("ecbpf fastpath stats 1 2 3", 64, "unrecognized arguments: 3"),
    ("ecbpf fastpath flows --sort bytes", 64, "argument --sort: invalid choice: 'bytes'"),
    ("ecbpf fastpath flows --server 02:00:00:00:00", 64, "'02:00:00:00:00' is not a valid MAC address"),
    ("ecbpf fastpath flows --server far0", 64, "'far0' is not a valid MAC address"),
    ("ecbpf fastpath exclude", 64, "the following arguments are required: add|del|list"),
    ("ecbpf fastpath exclude frob", 64, "argument add|del|list: invalid choice: 'frob'"),
    ("ecbpf fastpath exclude add", 64, "fastpath exclude add: no addresses given; ADDRESS ADDRESS or A,B"),
    ("ecbpf fastpath exclude del", 64, "fastpath exclude del: no addresses given"),
    ("ecbpf fastpath exclude list 192.0.2.7", 64, "fastpath exclude list: takes no addresses"),
    ("ecbpf fastpath exclude add 192.0.2.8 192.0.2.0/24", 64, "'192.0.2.0/24': not a valid address"),
    ("ecbpf fastpath exclude add fe80::1%near0", 64, "'fe80::1%near0': not a valid address"),
    ("ecbpf fastpath exclude del 192.0.2.7,192.0.2.8", 1, "192.0.2.8: not excluded; ecbpf fastpath exclude list"),
    ("ecbpf fastpath statsd --host nosuch.invalid", 65, "nosuch.invalid:8125: no address of a statsd daemon"),
    ("ecbpf fastpath statsd --port 0", 64, "argument --port: '0' is not a valid port: 1 to 65535"),
    ("ecbpf fastpath statsd --port 65536", 64, "argument --port: '65536' is not a valid port: 1 to 65535"),
    ("xdp_bypass_ipvs", 64, "xdp_bypass_ipvs: nothing to do; see xdp_bypass_ipvs --help"),
    ("xdp_bypass_ipvs frob", 64, "unrecognized arguments: frob"),
    ("xdp_bypass_ipvs -L -U", 64, "argument -U/--unload: not allowed with argument -L/--load"),
    ("xdp_bypass_ipvs -L -i nosuch0", 65, "nosuch0: no such interface"),
    ("xdp_bypass_ipvs -L -o nosuch0 -i bare0 -p off", 65, "nosuch0: no such interface"),
    ("xdp_bypass_ipvs -L -a nosuch0 -i bare0 -p off", 65, "nosuch0: no such interface"),
    ("xdp_bypass_ipvs -L -i bare0", 1, "bare0: no root array attached"),
    ("xdp_bypass_ipvs -L -i bare0 -p off -v 77", 65, "vlan=77: this host has no such VLAN on near0"),
    ("xdp_bypass_ipvs -L -i bare0 -o tun0 -p off", 65, "tun0: has no Ethernet address"),
    ("xdp_bypass_ipvs -L -i bare0 -p off -e del 192.0.2.8", 1, "192.0.2.8: not excluded"),
    ("xdp_bypass_ipvs -L -i bare0 -p off -e frob 192.0.2.8", 64, "-e frob: neither add nor del; -e add A,B or"),
    (
        "xdp_bypass_ipvs -L -i bare0 -p off -S x",
        64,
        "-S: 'x' is not a valid number of seconds: 0.1 to 86400; -S [SEC",
    ),
    ("xdp_bypass_ipvs -L -i bare0 -p off -S 1 x", 64, "-S: 'x' is not a valid number: 1 to"),
    ("xdp_bypass_ipvs -L -i bare0 -p off -S 1 2 3", 64, "-S: 3 numbers; -S [SECONDS [COUNT]]"),
    ("xdp_bypass_ipvs -L -T", 64, "-T goes with -p off; the root array decides the mode"),
    ("xdp_bypass_ipvs -P -p off", 64, "-p off goes with -L"),
    ("xdp_bypass_ipvs -U -P", 64, "after -U there is nothing to show"),
    ("xdp_bypass_ipvs -U -z", 64, "after -U there is nothing to show"),
    ("xdp_bypass_ipvs -U -M on", 64, "-U goes with -i and -o alone"),
    ("xdp_bypass_ipvs -U -a near0", 64, "-U goes with -i and -o alone"),
    ("xdp_bypass_ipvs -U -i other0", 1, "fast path: not attached to other0"),
    ("xdp_bypass_ipvs -U -o near0", 64, "near0: client packets come in there too"),
    ("xdp_bypass_ipvs -i near0", 64, "-i, -o and -a go with -L or -U"),
    ("xdp_bypass_ipvs -P -o near0", 64, "-i, -o and -a go with -L or -U"),
    ("xdp_bypass_ipvs -e add", 64, "argument -e/--excluded-addrs: expected 2 arguments"),
    ("xdp_bypass_ipvs -M on -e del 192.0.2.8", 1, "192.0.2.8: not excluded"),
    ("xdp_bypass_ipvs -v 77 -e add 192.0.2.8", 65, "vlan=77: this host has no such VLAN"),
    ("xdp_bypass_ipvs -M on -e add 192.0.2", 64, "'192.0.2': not a valid address"),
    ("xdp_bypass_ipvs -M maybe", 64, "argument -M/--monitor-mode: invalid choice: 'maybe'"),
    ("xdp_bypass_ipvs -R maybe", 64, "argument -R/--redirect-mode: invalid choice"),
    ("xdp_bypass_ipvs -l maybe", 64, "argument -l/--limit-rates: invalid choice"),
    ("xdp_bypass_ipvs -p maybe", 64, "argument -p/--program-array-mode: invalid choice"),
    ("xdp_bypass_ipvs -v 0", 64, "vlan=0: not a valid VLAN ID"),
    ("xdp_bypass_ipvs -v 4095", 64, "vlan=4095: not a valid VLAN ID"),
    ("xdp_bypass_ipvs -v -2", 64, "vlan=-2: not a valid VLAN ID"),
    ("xdp_bypass_ipvs -r 0", 64, "inactive_seconds=0: not a valid number of seconds; give 1 to 900"),
    ("xdp_bypass_ipvs -r 901", 64, "inactive_seconds=901: not a valid number of seconds; give 1 to 900"),
    ("xdp_bypass_ipvs -s 0", 64, "sample_seconds=0: not a valid number of seconds; give 1 to 899"),
    ("xdp_bypass_ipvs -r 900 -s 900", 64, "sample_seconds=900: not a valid number of seconds; give 1 to 899"),
    ("xdp_bypass_ipvs -M on -s 60", 64, "sample_seconds=60: not below inactive_seconds, which is 60"),
    ("xdp_bypass_ipvs -c 0", 64, "rx_cpus=0: not a valid number of CPUs"),
    ("xdp_bypass_ipvs -c 2,", 64, "rps_cpus=: not a valid number of CPUs"),
    ("xdp_bypass_ipvs -c ,2", 64, "rx_cpus=: not a valid number of CPUs"),
    ("xdp_bypass_ipvs -c 1,2,3", 64, "rps_cpus=2,3: not a valid number of CPUs"),
    ("xdp_bypass_ipvs -m -1", 64, "max_resets_pps=-1: not a valid number of packets per second"),
    ("xdp_bypass_ipvs -t 0", 64, "inbound_pps=0: not a valid number of packets per second"),
    ("xdp_bypass_ipvs -t 1+2+3+4", 64, "more than three numbers"),
    ("xdp_bypass_ipvs -w 127", 64, "wrap_packets=127: not a valid number of packets; give 128 to 65536"),
    ("xdp_bypass_ipvs -w 65537", 64, "wrap_packets=65537: not a valid number of packets"),
]


@pytest.fixture
def installed(host: None) -> None:
    loaded("-e 192.0.2.7")


def test_bad_input_gets_one_line_and_changes_nothing(installed: None) -> None:
    before = snapshot()
    faults = []
    for line, status, says in _LINES:
        got, out, err = typed(line)
        if (got, out) != (status, "") or not re.fullmatch(r"ecbpf: .*\n", err) or says not in err:
            faults.append((line, got, out, err))
        if snapshot() != before:
            faults.append((line, got, "changed something", ""))
            break
    assert not faults


def test_without_the_rights_it_says_so(installed: None) -> None:
    before = snapshot()
    for line in (
        *(f"ecbpf fastpath {verb}" for verb in ("attach", "detach", "set udp=on", "status", "clear", "flows")),
        *(f"ecbpf fastpath {verb}" for verb in ("serve", "load", "unload", "show", "stats", "status --watch")),
        *("ecbpf fastpath exclude add 10.0.0.1", "ecbpf fastpath exclude list", "ecbpf fastpath statsd"),
        *("xdp_bypass_ipvs -L", "xdp_bypass_ipvs -P", "xdp_bypass_ipvs -M on"),
        "xdp_bypass_ipvs -L -p off -i bare0",
    ):
        powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command(line)]
        result = subprocess.run(powerless, check=False, capture_output=True, text=True)
        assert result.returncode == 77, (line, result.stderr)
        assert re.fullmatch(r"ecbpf: .*; run it as root\n", result.stderr)
        assert result.stdout == ""
    assert snapshot() == before


def test_where_it_is_not_loaded(installed: None) -> None:
    done("ecbpf fastpath detach")
    before = snapshot()
    for line in (
        *(f"ecbpf fastpath {verb}" for verb in ("set udp=on", "show", "stats", "stats 1 1", "flows", "statsd")),
        *(f"ecbpf fastpath {verb}" for verb in ("status", "status --json", "status --watch", "clear", "serve")),
        *(f"ecbpf fastpath exclude {words}" for words in ("add 10.0.0.1", "del 10.0.0.1", "list")),
        *(f"xdp_bypass_ipvs {flag}" for flag in ("-P", "-S", "-S 1 1", "-f", "-B", "-z", "-M on")),
        "xdp_bypass_ipvs -e add 10.0.0.1",
    ):
        says = "ecbpf: fast path: not attached; attach it: ecbpf fastpath attach -i IFACES -o IFACES\n"
        assert typed(line) == (1, "", says), line
    for line in ("ecbpf fastpath detach", "xdp_bypass_ipvs -U", "xdp_bypass_ipvs -U -i near0"):
        assert typed(line) == (1, "", "ecbpf: fast path: not attached\n"), line
    for line in ("ecbpf fastpath attach", "xdp_bypass_ipvs -L", "ecbpf fastpath attach -o near0"):
        says = "ecbpf: fast path: no interfaces given with -i; ecbpf fastpath attach -i IFACES -o IFACES\n"
        assert typed(line) == (64, "", says), line
    assert typed("xdp_bypass_ipvs -L -i near0").err == (
        "ecbpf: fast path: no interfaces given with -o; ecbpf fastpath attach -i IFACES -o IFACES\n"
    )
    assert snapshot() == before
