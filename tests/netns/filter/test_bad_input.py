"""Bad input to the filter's commands: one line of error, the right exit status, and nothing changed."""

import re
import subprocess
from pathlib import Path

import pytest

from ecbpf.paths import object_path
from tests.netns.filter.snapshot import snapshot
from tests.support.pair import Pair
from tests.support.typed import command, done, typed

# IF has a filter, FAR a root array with an empty slot 2, GONE does not exist.
_LINES = [
    # command line, exit status, what the one line says
    ("ecbpf filter", 64, "the following arguments are required: VERB; see ecbpf filter --help"),
    ("ecbpf filter frob -i IF", 64, "invalid choice: 'frob'"),
    ("ecbpf filter attach", 64, "interface: none given; --interface IFACES: one, or several separated by commas"),
    ("ecbpf filter attach -i GONE", 65, "GONE: no such interface in this network namespace"),
    ("ecbpf filter attach -i IF,GONE", 65, "GONE: no such interface in this network namespace"),
    (
        "ecbpf filter attach -i IF frobs=1",
        64,
        "'frobs=1': not a setting of filter; NAME=VALUE; names: fr",
    ),
    ("ecbpf filter attach -i IF --filename /nonexistent", 65, "/nonexistent: No such file or directory"),
    ("ecbpf filter attach -i IF --filename /bin/true", 65, "/bin/true: not a BPF object"),
    ("ecbpf filter attach -i IF --filename PRINTK", 65, "has no program xdp_filter_prog; it has xdp_printk_prog"),
    ("ecbpf filter set -i IF", 64, "the following arguments are required: NAME=VALUE"),
    ("ecbpf filter set -i IF frags_drop", 64, "'frags_drop': not a setting of filter; NAME=VALUE"),
    ("ecbpf filter set -i IF frags_drop=maybe", 64, "frags_drop=maybe: neither on nor off"),
    (
        "ecbpf filter set -i IF ptb_max_pps=1 ptb_max_pps=x",
        64,
        "ptb_max_pps=x: not a valid number of packets per second",
    ),
    ("ecbpf filter set -i IF ptb_max_pps=-1", 64, "give 0 (off) to 4294967295"),
    (
        "ecbpf filter set -i IF,FAR frags_drop=off",
        1,
        "FAR: no filter in slot 2; attach it: ecbpf filter att",
    ),
    ("ecbpf filter detach -i IF,FAR", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter status -i IF,FAR", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter clear -i IF,FAR", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter clear -i IF --dry-run", 64, "unrecognized arguments: --dry-run"),
    ("ecbpf filter flush -i IF,FAR", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter flush", 64, "interface: none given"),
    ("ecbpf filter clear-status -i IF,FAR", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter drop -i IF,FAR 10.9.9.9", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter undrop -i IF,FAR 192.0.2.0/24", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter load -i IF,FAR GOOD", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter list -i IF,FAR", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter serve -i IF,FAR", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter serve -i IF,FAR --statsd", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter serve -i IF --statsd nosuch.invalid", 65, "nosuch.invalid:8125: no address of a statsd daemon"),
    ("ecbpf filter serve -i IF --statsd nosuch.invalid:7", 65, "nosuch.invalid:7: no address of a statsd daemon"),
    ("ecbpf filter serve -i IF --statsd localhost:0", 64, "'0' is not a valid port: 1 to 65535"),
    ("ecbpf filter serve -i IF --statsd localhost:65536", 64, "'65536' is not a valid port: 1 to 65535"),
    ("ecbpf filter serve -i IF --statsd localhost:", 64, "'' is not a valid port: 1 to 65535"),
    ("ecbpf filter serve -i IF --statsd [::1]:x", 64, "'x' is not a valid port: 1 to 65535"),
    ("ecbpf filter serve -i IF --statsd ''", 64, "'' is not a valid address of a statsd daemon"),
    ("ecbpf filter status -i IF --watch 0", 64, "'0' is not a valid number of seconds: 0.1 to 86400"),
    ("ecbpf filter status -i IF --watch fast", 64, "'fast' is not a valid number of seconds"),
    ("ecbpf filter status -i IF,FAR --watch", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter statsd -i IF,FAR", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter watch -i FAR", 1, "FAR: no filter in slot 2"),
    ("ecbpf filter drop -i IF", 64, "the following arguments are required: PREFIX"),
    ("ecbpf filter drop 10.9.9.9", 64, "interface: none given"),
    ("ecbpf filter drop -i IF 10.9.9.9,", 64, "'10.9.9.9,': nothing before or after a comma"),
    ("ecbpf filter drop -i IF ''", 64, "'': nothing before or after a comma"),
    ("ecbpf filter drop -i IF 10.9.9.9 10.9.9", 65, "'10.9.9': not an IP address; for instance 192.0.2.7 or"),
    ("ecbpf filter drop -i IF 10.9.9.256", 65, "'10.9.9.256': not an IP address"),
    ("ecbpf filter drop -i IF 010.9.9.9", 65, "'010.9.9.9': not an IP address"),
    ("ecbpf filter drop -i IF example.org", 65, "'example.org': not an IP address"),
    ("ecbpf filter drop -i IF -1", 65, "'-1': not an IP address"),
    ("ecbpf filter drop -i IF 10.9.9.9/33", 65, "'10.9.9.9/33': '33' is not a valid prefix length; give 0 to 32"),
    ("ecbpf filter drop -i IF 10.9.9.9/", 65, "'' is not a valid prefix length"),
    ("ecbpf filter drop -i IF 10.9.9.9/-1", 65, "'-1' is not a valid prefix length"),
    ("ecbpf filter drop -i IF 10.9.9.0/255.255.255.0", 65, "'255.255.255.0' is not a valid prefix length"),
    ("ecbpf filter drop -i IF 2001:db8::/129", 65, "'129' is not a valid prefix length; give 0 to 128"),
    ("ecbpf filter drop -i IF fe80::1%IF", 65, "not an IP address"),
    (
        "ecbpf filter drop -i IF ::ffff:10.9.9.9",
        65,
        "an IPv4-mapped IPv6 address, which no packet carries; give",
    ),
    ("ecbpf filter drop -i IF ::ffff:0:0/96", 65, "an IPv4-mapped IPv6 address"),
    (f"ecbpf filter drop -i IF 10.9.9.9 --tag {'x' * 64}", 65, "too long: 64 bytes; 63 at most"),
    (f"ecbpf filter drop -i IF 10.9.9.9 --tag {'ü' * 32}", 65, "too long: 64 bytes; 63 at most"),
    (
        "ecbpf filter drop -i IF 10.9.9.9 --tag 'a # b'",
        65,
        "tag 'a # b': no #, control characters or blanks",
    ),
    ("ecbpf filter drop -i IF 10.9.9.9 --tag 'a\tb'", 65, "no #, control characters"),
    ("ecbpf filter drop -i IF 10.9.9.9 --tag ' a'", 65, "blanks around it"),
    ("ecbpf filter drop -i IF 10.9.9.9 --tag", 64, "expected one argument"),
    (
        "ecbpf filter undrop -i IF 192.0.2.0/24 10.9.9.9",
        1,
        "IF: 10.9.9.9/32: not in the drop set; ecbpf filter",
    ),
    ("ecbpf filter undrop -i IF 192.0.2.0/25", 1, "IF: 192.0.2.0/25: not in the drop set"),
    ("ecbpf filter undrop -i IF 192.0.2.0/24 --tag x", 64, "unrecognized arguments: --tag x"),
    ("ecbpf filter unallow -i IF 192.0.2.0/24", 1, "IF: 192.0.2.0/24: not in the allow set"),
    ("ecbpf filter allow -i IF 10.9.9.9/40", 65, "'40' is not a valid prefix length"),
    ("ecbpf filter check -i IF 192.0.2.0/24", 65, "'192.0.2.0/24': not an IP address"),
    ("ecbpf filter check -i IF", 64, "the following arguments are required: ADDRESS"),
    ("ecbpf filter load -i IF", 64, "the following arguments are required: FILE"),
    (
        "ecbpf filter load -i IF /nonexistent",
        65,
        "/nonexistent: No such file or directory; give a file",
    ),
    ("ecbpf filter load -i IF /", 65, "/: Is a directory"),
    ("ecbpf filter load -i IF BAD", 65, "BAD, line 3: '10.9.9': not an IP address; for instance"),
    ("ecbpf filter load -i IF BAD --replace", 65, "BAD, line 3: '10.9.9': not an IP address"),
    ("ecbpf filter save -i IF", 64, "the following arguments are required: FILE"),
    ("ecbpf filter save -i IF,FAR /nonexistent/x", 64, "save: writes the drop set of one interface; name one"),
    ("ecbpf filter save -i IF /nonexistent/x", 1, "/nonexistent/x: No such file or directory; save it elsewhere"),
    ("ecbpf filter save -i IF /", 1, "/: Is a directory; save it elsewhere"),
    ("ecbpf filter save -i IF ''", 1, "'': "),
    ("ecbpf filter save -i IF /dev/full", 1, "/dev/full: No space left on device"),
    (
        "ecbpf filter statsd -i IF --host nosuch.invalid",
        65,
        "nosuch.invalid:8125: no address of a statsd daemon",
    ),
    ("ecbpf filter statsd -i IF --port 0", 64, "'0' is not a valid port: 1 to 65535"),
    ("ecbpf filter statsd -i IF --port 65536", 64, "'65536' is not a valid port: 1 to 65535"),
    ("xdp_filter", 64, "xdp_filter: nothing to do; see xdp_filter --help"),
    ("xdp_filter --interface IF", 64, "nothing to do"),
    ("xdp_filter --attach", 64, "interface: none given"),
    ("xdp_filter --attach --interface GONE", 65, "GONE: no such interface"),
    ("xdp_filter --attach --detach --interface IF", 64, "--detach: not allowed with argument --attach"),
    ("xdp_filter --frags-drop --no-frags-drop --interface IF", 64, "not allowed with argument"),
    (
        "xdp_filter --interface IF --ptb-max-pps -1",
        64,
        "ptb_max_pps=-1: not a valid number of packets per second; give 0",
    ),
    ("xdp_filter --interface IF --ptb-max-pps 4294967296", 64, "give 0 (off) to 4294967295"),
    (f"xdp_filter --interface IF --ptb-max-pps {'9' * 5000}", 64, "not a valid number of packets per second"),
    ("xdp_filter --interface IF --ptb-max-pps 1.5", 64, "not a valid number of packets per second"),
    ("xdp_filter --attach --interface IF --ptb-max-pps -1", 64, "not a valid number of packets per second"),
    ("xdp_filter --drop --interface IF --ptb-max-pps 1 --ips 10.9.9.9", 64, "go with --attach or alone"),
    ("xdp_filter --drop --interface IF", 64, "--drop and --no-drop need --ips; --ips ADDRESS,ADDRESS/LENGTH"),
    ("xdp_filter --interface IF --ips 10.9.9.9", 64, "--ips goes with --drop or --no-drop"),
    ("xdp_filter --attach --interface IF --ips 10.9.9.9", 64, "--ips goes with --drop or --no-drop"),
    ("xdp_filter --drop --interface IF --ips 10.9.9.9,", 64, "nothing before or after a comma"),
    ("xdp_filter --no-drop --interface IF --ips 192.0.2.0/24,", 64, "nothing before or after a comma"),
    ("xdp_filter --drop --interface IF --ips 10.9.9.9,x", 65, "'x': not an IP address"),
    (
        "xdp_filter --drop --interface IF --ips 10.9.9.9 --tags a,b",
        64,
        "--tags 'a,b': tags: 2, addresses: 1",
    ),
    ("xdp_filter --drop --interface IF --ips 10.9.9.9,10.9.9.8 --tags a", 64, "tags: 1, addresses: 2"),
    (f"xdp_filter --drop --interface IF --ips 10.9.9.9 --tags {'x' * 64}", 65, "too long: 64 bytes"),
    ("xdp_filter --no-drop --interface IF --ips 192.0.2.0/24 --tags a", 64, "--tags goes with --drop"),
    ("xdp_filter --no-drop --interface IF --ips 10.9.9.9", 1, "IF: 10.9.9.9/32: not in the drop set"),
    ("xdp_filter --clear --interface IF --json", 64, "--json goes with --status"),
    ("xdp_filter --clear --interface FAR", 1, "FAR: no filter in slot 2"),
    ("xdp_filter --clear --interface IF --program PRINTK", 64, "--program goes with --attach"),
    ("xdp_filter --attach --interface IF --program PRINTK", 65, "has no program xdp_filter_prog"),
    ("xdp_filter --status --interface IF --statsd", 64, "--statsd goes with --attach, with settings, or alone"),
    (
        "xdp_filter --attach --interface IF --statsd-host ::1",
        64,
        "--statsd-host, --statsd-port and --statsd",
    ),
    ("xdp_filter --attach --interface IF --statsd-port 1", 64, "go with --statsd"),
    ("xdp_filter --attach --interface IF --statsd-detach-on-exit", 64, "go with --statsd"),
    ("xdp_filter --attach --interface IF --statsd --statsd-port x", 64, "'x' is not a valid port: 1 to 65535"),
    (
        "xdp_filter --attach --interface IF --statsd --statsd-host nosuch.invalid",
        65,
        "no address of a statsd daemon",
    ),
    ("xdp_filter --interface IF --ptb-max-pps 3 --statsd --statsd-host ''", 65, "no address of a statsd daemon"),
]


@pytest.fixture
def near(near: str, roots: Pair) -> str:
    done(f"ecbpf filter attach -i {near} ptb_max_pps=9")
    done(f"ecbpf filter drop -i {near} 192.0.2.0/24 2001:db8::/32 --tag x")
    return near


def test_bad_input_gets_one_line_and_changes_nothing(near: str, pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "GOOD").write_text("10.9.9.9\n")
    (tmp_path / "BAD").write_text("10.9.9.9\n# a comment\n10.9.9 tag\n10.9\n")
    names = {"IF": near, "FAR": pair.far, "GONE": "nosuch0", "PRINTK": object_path("printk")}
    names |= {name: str(tmp_path / name) for name in ("GOOD", "BAD")}

    def filled(text: str) -> str:
        return re.sub("|".join(rf"\b{name}\b" for name in names), lambda found: names[found[0]], text)

    before = snapshot(near, pair.far)
    faults = []
    for line, status, says in _LINES:
        got, out, err = typed(filled(line))
        if (got, out) != (status, "") or not re.fullmatch(r"ecbpf: .*\n", err) or filled(says) not in err:
            faults.append((line, got, out, err))
        if snapshot(near, pair.far) != before:
            faults.append((line, got, "changed something", ""))
            break
    assert not faults
    assert sorted(path.name for path in tmp_path.iterdir()) == ["BAD", "GOOD"]


def test_missing_privileges_are_reported(near: str) -> None:
    before = snapshot(near)
    for line in (
        f"xdp_filter --attach --interface {near}",
        f"ecbpf filter drop -i {near} 10.9.9.9",
        f"ecbpf filter status -i {near}",
        f"ecbpf filter statsd -i {near}",
    ):
        powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command(line)]
        result = subprocess.run(powerless, check=False, capture_output=True, text=True)
        assert result.returncode == 77, (line, result.stderr)
        assert re.fullmatch(r"ecbpf: .*; run it as root\n", result.stderr)
        assert result.stdout == ""
    assert snapshot(near) == before


def test_closed_standard_input(near: str) -> None:
    shell = ["bash", "-c", 'exec "$@" <&-', "bash", *command(f"ecbpf filter load -i {near} -")]
    result = subprocess.run(shell, check=False, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (65, "")
    assert result.stderr == "ecbpf: standard input: closed; give a file of prefixes\n"
