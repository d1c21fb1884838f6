"""Settings of the fast path as they are typed, their ranges, and what does not go together."""

import os
import re

import pytest

from ecbpf.cli.classic.xdp_bypass_ipvs import build_parser
from ecbpf.errors import EcbpfError, UsageError
from ecbpf.fastpath.programs import made_for, sets_for
from ecbpf.fastpath.settings import TABLE, check_together, measured
from ecbpf.kernel.object import Object
from ecbpf.netdev.links import NetLink
from ecbpf.paths import object_path

# name: lowest, highest, what an error calls it
_NUMBERS = {
    "inactive_seconds": (1, 900, "number of seconds"),
    "sample_seconds": (1, 899, "number of seconds"),
    "rx_cpus": (1, 1024, "number of CPUs"),
    "rps_cpus": (1, 1024, "number of CPUs"),
    "max_resets_pps": (0, 2**32 - 1, "number of packets per second"),
    "inbound_spike": (0, 999, "percentage"),
    "inbound_max": (1, 1000, "percentage"),
    "wrap_packets": (128, 65536, "number of packets"),
}
_SWITCHES = ["monitor", "limit_rates", "redirect", "decrement_ttl", "udp"]
_NO_NUMBERS = ("", "on", "1.5", "1e3", "0x10", "+1", " 1", "1 ", "1_000", "\u0663", "-", "--1", "9" * 5000)


@pytest.mark.parametrize("name", _SWITCHES)
def test_switches(name: str) -> None:
    for word in ("true", "on", "yes", "1", "ON", "True"):
        assert TABLE.parse([f"{name}={word}"]) == {name: True}
    for word in ("false", "off", "no", "0", "OFF"):
        assert TABLE.parse([f"{name}={word}"]) == {name: False}
    for word in ("", "2", "maybe", " on", "on ", "on=off"):
        with pytest.raises(UsageError, match=rf"^{name}=.*: neither on nor off; {name}=on or {name}=off$"):
            TABLE.parse([f"{name}={word}"])


@pytest.mark.parametrize("name", _NUMBERS)
def test_numbers(name: str) -> None:
    low, high, what = _NUMBERS[name]
    for number in (low, low + 1, high - 1, high):
        assert TABLE.parse([f"{name}={number}"]) == {name: number}
    for word in (str(low - 1), str(high + 1), "-1", "4294967296", *_NO_NUMBERS):
        with pytest.raises(UsageError, match=rf": not a valid {what}; give {low} to {high}$"):
            TABLE.parse([f"{name}={word}"])


def test_the_vlan() -> None:
    for number in (-1, 1, 2, 4093, 4094):
        assert TABLE.parse([f"vlan={number}"]) == {"vlan": number}
    for word in ("-2", "4095", "65536", *_NO_NUMBERS):
        with pytest.raises(
            UsageError, match=r": not a valid VLAN ID; give 1 to 4094, or -1 \(the VLAN that IPVS uses\)$"
        ):
            TABLE.parse([f"vlan={word}"])
    for word in ("0", "00", "-0"):
        with pytest.raises(
            UsageError,
            match=rf"^vlan={word}: not a valid VLAN ID; give 1 to 4094, or -1 \(the VLAN that IPVS uses\)$",
        ):
            TABLE.parse([f"vlan={word}"])


def test_the_inbound_limit() -> None:
    names = ("inbound_pps", "inbound_spike", "inbound_max")
    for text, numbers in {
        "1": (1,),
        "1000000000": (10**9,),
        "8000000+5": (8_000_000, 5),
        "8000000+5+50": (8_000_000, 5, 50),
        "8000000+5%+50%": (8_000_000, 5, 50),
        "1+0+1": (1, 0, 1),
        "1+999+1000": (1, 999, 1000),
    }.items():
        wanted = dict(zip(names, numbers, strict=False))
        assert TABLE.parse([f"inbound_pps={text}"]) == wanted
    for text, says in {
        "": "inbound_pps=: not a valid number of packets per second; give 1 to 1000000000",
        "0": "inbound_pps=0: not a valid number of packets per second; give 1 to 1000000000",
        "1000000001": "inbound_pps=1000000001: not a valid number of packets per second",
        "5%": "inbound_pps=5%: not a valid number of packets per second",
        "1+": "inbound_spike=: not a valid percentage; give 0 to 999",
        "1+%": "inbound_spike=: not a valid percentage",
        "1+5%%": "inbound_spike=5%: not a valid percentage",
        "1+-1": "inbound_spike=-1: not a valid percentage",
        "1+1000": "inbound_spike=1000: not a valid percentage",
        "1++5": "inbound_spike=: not a valid percentage",
        "1+5+": "inbound_max=: not a valid percentage; give 1 to 1000",
        "1+5+0": "inbound_max=0: not a valid percentage",
        "1+5+1001": "inbound_max=1001: not a valid percentage",
        "1+2+3+4": "inbound_pps=1+2+3+4: more than three numbers; PPS[+SPIKE[+MAX]]",
    }.items():
        with pytest.raises(UsageError, match=rf"^{re.escape(says)}"):
            TABLE.parse([f"inbound_pps={text}"])


@pytest.mark.parametrize("text", ["", "=", "udp", "frobs=1", "UDP=on", " udp=on", "=on", "frobs", "vlan -1"])
def test_unknown_settings(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"not a setting of the fast path; NAME=VALUE; names: monitor, limit_rates, redirect, "
    ):
        TABLE.parse([text])


def test_several_at_once() -> None:
    assert TABLE.parse([]) == {}
    wanted = {"udp": True, "inbound_pps": 9, "inbound_spike": 1, "vlan": 7}
    assert TABLE.parse(["udp=on", "inbound_pps=9+1", "vlan=7"]) == wanted
    assert TABLE.parse(["vlan=7", "vlan=8"]) == {"vlan": 8}, "the last one counts"
    with pytest.raises(UsageError, match=r"^vlan=x: "):
        TABLE.parse(["udp=on", "vlan=x"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sample_seconds": 60}, "sample_seconds=60: not below inactive_seconds, which is 60; a flow must be"),
        ({"sample_seconds": 899}, "sample_seconds=899: not below inactive_seconds, which is 60; "),
        ({"inactive_seconds": 1}, "sample_seconds=1: not below inactive_seconds, which is 1; "),
        ({"inbound_spike": 50}, "inbound_spike=50: not below inbound_max, which is 50; inbound_pps=PPS+SPIKE+MAX"),
        ({"inbound_max": 5}, "inbound_spike=5: not below inbound_max, which is 5; "),
    ],
)
def test_options_that_exclude_each_other(changes: dict[str, int], says: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(says)}"):
        check_together(TABLE.defaults | changes)


def test_options_that_go_together() -> None:
    for changes in (
        {},
        {"sample_seconds": 59},
        {"sample_seconds": 899, "inactive_seconds": 900},
        {"inactive_seconds": 2},
        {"inbound_spike": 999, "inbound_max": 1000},
        {"inbound_spike": 0, "inbound_max": 1},
    ):
        check_together(TABLE.defaults | changes)


@pytest.mark.parametrize("program", ["fastpath_egress", "fastpath_ingress"])
def test_the_defaults_equal_those_in_c(program: str) -> None:
    with Object.open(object_path(program)) as built:
        values = {name: getattr(built.globals, name) for name in TABLE.defaults}
        section = built.btf.find(".data.settings", "DATASEC")
        assert section is not None
        assert sorted(name for name, _, _ in built.btf.layout(section)) == sorted(TABLE.rows)
    assert values == TABLE.defaults
    assert [type(value) for value in values.values()] == [type(value) for value in TABLE.defaults.values()]


def test_every_setting_says_what_it_is() -> None:
    flags = {flag for action in build_parser()._actions for flag in action.option_strings}
    for name, row in TABLE.rows.items():
        assert row.name == name
        assert row.help
        assert not row.flag or row.flag in flags
    assert TABLE.rows["vlan"].range == "1 to 4094, or -1 (the VLAN that IPVS uses)"
    assert {name for name, row in TABLE.rows.items() if row.shown_default == "as the machine has"} == {
        *("rx_cpus", "rps_cpus")
    }


def test_inbound_pps_sets_three() -> None:
    wanted = {"inactive_seconds": 60, "sample_seconds": 1, "max_resets_pps": 4000, "inbound_pps": 8_000_000}
    wanted |= {"inbound_spike": 5, "inbound_max": 50, "wrap_packets": 4096, "vlan": -1}
    assert TABLE.defaults | wanted | dict.fromkeys(_SWITCHES, False) == TABLE.defaults
    assert set(_SWITCHES) | set(_NUMBERS) | {"vlan", "inbound_pps"} == set(TABLE.rows)


def test_a_version_without_the_setting() -> None:
    with pytest.raises(
        EcbpfError, match=r"^udp: the running version of the fast path does not have this setting; "
    ):
        TABLE.check(["monitor"], {"monitor": True, "udp": True})


def test_defaults_that_depend_on_the_machine() -> None:
    cpus = os.cpu_count() or 1
    one, many, unknown = (NetLink(f"eth{queues}", 2, bytes(6), rx_queues=queues) for queues in (1, 4096, 0))
    assert measured([one]) == {"rx_cpus": 1, "rps_cpus": cpus}
    assert measured([many]) == measured([unknown]) == {"rx_cpus": cpus, "rps_cpus": cpus}
    assert measured([one, one])["rx_cpus"] == min(cpus, 2)


@pytest.mark.parametrize("flows", [1, 3, 4, 5, 1000, 1_000_000, 2**28])
def test_a_table_has_two_entries_per_flow(flows: int) -> None:
    assert sets_for(flows) * 8 >= 2 * flows
    assert flows <= made_for(sets_for(flows)) < flows + 4
