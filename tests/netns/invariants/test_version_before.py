"""This version reads, takes over and changes an installation of the version before, without effect on packets."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from ecbpf.kernel.uapi import XDP_DROP, XDP_PASS, XDP_TX
from tests.support.flood import Flood
from tests.support.installation import PACKETS, READINGS, Installation, counts_of, without
from tests.support.needs import needs_frags
from tests.support.objects import builder
from tests.support.shell import sh
from tests.support.version_before import Version, this_version, version_before, why_absent

VERDICTS = {name: packet.verdict for name, packet in PACKETS.items()}
# The counts that one of each packet changes.
MOVED = {
    "slot 2: XDP_DROP": 4,
    "slot 3: own map": 7,
    "slot 3: own variable": 7,
    "slot 7: XDP_PASS": 5,
    "slot 7: XDP_TX": 2,
    "all slots: XDP_DROP": 4,
    "all slots: XDP_PASS": 5,
    "all slots: XDP_TX": 2,
    "filter: ip_drop_count": 2,
    "filter: ip6_drop_count": 1,
    "filter: ip_options_drop_count": 1,
    "fast path: total_pkts_xdp_rx": 7,
    "fast path: total_bypassed_pkts": 2,
    "fast path: ipv4_pkts": 5,
    "fast path: ipv6_pkts": 2,
    "fast path: ipv4_inbound_locals": 1,
    "fast path: tcp_pkts": 3,
    "fast path: ipv4_fragmented_pkts": 1,
    "flow 198.51.100.7 10.0.1.10: bypassed": 1,
    "flow 2001:db9::7 2001:db8:1::10: bypassed": 1,
}
# How each program is upgraded, by the names of Installation.program_ids().
UPGRADES = {
    "root": "attach near0",
    "slot2": "filter attach -i near0",
    "slot3": "attach -i near0 --slot 3 --filename {subprogram}",
    "slot6": "printk attach -i near0",
    "slot7": "fastpath attach",
}
# Commands, and the verdicts that they change from those of the beginning.
CHANGES: list[tuple[list[str], dict[str, int]]] = [
    (
        [
            "filter undrop -i near0 192.0.2.0/24",
            "filter allow -i near0 198.19.0.1 2001:db8::1",
            "filter set -i near0 frags_drop=on ip_options_drop=off ptb_max_pps=66",
            "fastpath exclude add 10.0.1.10,10.0.1.78",
            "fastpath set monitor=on wrap_packets=200",
        ],
        {
            "from a dropped network": XDP_PASS,
            "from another dropped network": XDP_PASS,
            "from a dropped IPv6 network": XDP_PASS,
            "a fragment": XDP_DROP,
            "with IP options": XDP_PASS,
            "of a flow": XDP_PASS,
            "of an IPv6 flow": XDP_PASS,
        },
    ),
    (
        [
            "filter drop -i near0 --tag more 192.0.2.0/28",
            "filter unallow -i near0 198.19.0.1 2001:db8::1",
            "filter undrop -i near0 2001:db8::/32",
            "filter drop -i near0 2001:db8::/64",
            "fastpath exclude del 10.0.1.10,10.0.1.77",
            "fastpath set monitor=off",
        ],
        {"a fragment": XDP_DROP, "with IP options": XDP_PASS, "of a flow to an excluded address": XDP_TX},
    ),
]
# And how each is taken off, by the folder of its pins.
REMOVALS = {
    "/slot7/": "fastpath detach",
    "/slot6/": "printk detach -i near0",
    "/slot3/": "detach near0 --slot 3",
    "/slot2/": "filter detach -i near0",
    "": "detach near0",
}


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """The version before."""
    if reason := why_absent():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the version before: {reason}")
        pytest.skip(reason)
    return version_before(str(tmp_path_factory.mktemp("version-before")))


@pytest.fixture(scope="session")
def new(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """This version."""
    return this_version(builder(str(tmp_path_factory.mktemp("subprogram")))("chain/verdicts"))


@pytest.fixture(params=["native"])
def mode(request: pytest.FixtureRequest) -> str:
    """How the old version attaches its root array."""
    return str(request.param)


@pytest.fixture
def installed(inside: None, old: Version, mode: str) -> Iterator[Installation]:
    """What the old version installs on near0; the test runs in its namespace."""
    if mode == "multi-buffer":
        sh("ip link set near0 mtu 9000 && ip link set far0 mtu 9000")
    installation = Installation()
    try:
        installation.make(old, generic=mode == "generic")
        yield installation
    finally:
        installation.remove()


def facts(reading: dict[str, Any]) -> Any:
    """The reading without counts and ids of programs."""
    counted = ("statistics", "root_statistics", "stats", "fast path counts", "bypassed", "up", "own")
    return without(reading, "id", *counted)


def moved(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    """The counts that differ between two readings, and by how much."""
    then, now = counts_of(before), counts_of(after)
    assert then.keys() == now.keys()
    return {name: now[name] - then[name] for name in now if now[name] != then[name]}


def settle(version: Version) -> None:
    """Wait until the counts no longer change."""
    before = None
    while (now := version.read(READINGS["status"])) != before:
        before = now


def test_each_version_is_the_one_it_says(old: Version, new: Version) -> None:
    for version in (old, new):
        where = version.python("-c", "import ecbpf.paths; print(ecbpf.paths.object_path('root'))")
        assert where.startswith(f"{version.folder}/src/ecbpf/")
    assert old.folder != new.folder


def test_what_is_installed_is_not_what_a_new_installation_has(installed: Installation, old: Version) -> None:
    """Otherwise the test would not notice what is lost."""
    reading = installed.read(old)
    slots = reading["status"]["near0"]["subprograms"]
    assert [slot["slot"] for slot in slots if slot["prog_loaded"]] == [2, 3, 6, 7]
    settings = reading["filter"]["configuration"]
    assert (settings["ptb_max_pps"], settings["frags_drop"], settings["ptb_send"]) == (55, False, True)
    rows = [(row["Address"], row["PrefixLen"], row["Tag"]) for row in reading["dropped"] + reading["allowed"]]
    assert rows == [
        ("192.0.2.0", 24, "a tag"),
        ("198.18.0.0", 15, "another tag"),
        ("2001:db8::", 32, "a tag"),
        ("192.0.2.3", 32, "a friend"),
        ("2001:db8::3", 128, "a friend"),
    ]
    assert [each["Dropped"] for each in reading["checked"]] == [True, False, True, False, False]
    settings = reading["fast path"]["settings"]
    changed = ("sample_seconds", "inactive_seconds", "max_resets_pps")
    assert [settings[name] for name in changed] == [899, 900, 77]
    assert reading["fast path"]["table"] == {"flows": 3, "made_for": 1000, "bytes": 272000}
    assert reading["fast path"]["addresses"]["excluded"] == reading["excluded"] == ["10.0.1.77"]
    assert [(flow["up"], flow["bypassed"]) for flow in reading["flows"]] == [(10, 1), (10, 1), (10, 0)]
    counts = counts_of(reading)
    assert {name: counts[name] for name in MOVED if counts[name] < MOVED[name]} == {}


@pytest.mark.parametrize(
    ("mode", "upgraded"),
    [
        pytest.param("native", [], id="nothing"),
        *(pytest.param("native", [name], id=f"only {name}") for name in UPGRADES),
        pytest.param("native", list(UPGRADES), id="all"),
        pytest.param("generic", list(UPGRADES), id="all, generic mode"),
        pytest.param("multi-buffer", list(UPGRADES), id="all, multi-buffer", marks=needs_frags),
    ],
    indirect=["mode"],
)
def test_taken_over(
    installed: Installation, flood: Flood, old: Version, new: Version, upgraded: list[str]
) -> None:
    before, ids, pins = installed.read(old), installed.program_ids(), installed.pins()
    assert installed.read(new) == before, "this version reads what is there as the old one does"

    with flood:
        for name in upgraded:
            new.run(UPGRADES[name].format(subprogram=new.subprogram))
        while flood.sent < 1000:
            pass
    settle(new)
    assert flood.leaked() == 0, "there is no moment without the filter"
    after = installed.read(new)
    assert facts(after) == facts(before)
    dropped = ("slot 2: XDP_DROP", "all slots: XDP_DROP", "filter: ip_drop_count")
    assert moved(before, after) == dict.fromkeys(dropped, flood.on_the_wire)
    replaced = {name for name, number in installed.program_ids().items() if number != ids[name]}
    assert replaced - {"egress"} == {*upgraded}
    assert ("egress" in replaced) == ("slot7" in upgraded)
    assert set(installed.pins()) >= set(pins)

    assert installed.verdicts() == VERDICTS
    assert moved(after, installed.read(new)) == MOVED
    changed_by(new, installed)
    taken_off_by(new, installed)


def changed_by(new: Version, installed: Installation) -> None:
    """The new version's commands change the installation."""
    for lines, verdicts in CHANGES:
        new.run(*lines)
        assert installed.verdicts() == VERDICTS | verdicts
    new.run("clear near0")
    assert installed.verdicts("from anywhere else") == {"from anywhere else": XDP_PASS}
    reading = installed.read(new)
    assert [(row["Address"], row["PrefixLen"], row["Tag"]) for row in reading["dropped"]] == [
        ("192.0.2.0", 28, "more"),
        ("198.18.0.0", 15, "another tag"),
        ("2001:db8::", 64, ""),
    ]
    assert reading["filter"]["configuration"]["ptb_max_pps"] == 66
    assert reading["fast path"]["settings"]["wrap_packets"] == 200
    assert reading["excluded"] == ["10.0.1.78"]
    statistics = reading["status"]["near0"]["statistics"]
    assert {name: count for name, count in statistics.items() if count} == {"XDP_PASS": 1}


def taken_off_by(new: Version, installed: Installation) -> None:
    """The new version's commands take everything off, and no pin is left."""
    for folder, line in REMOVALS.items():
        assert [pin for pin in installed.pins() if folder in pin] != []
        new.run(line)
        assert [pin for pin in installed.pins() if folder in pin] == []
    assert new.read(READINGS["status"]) == [{"near0": {"root_loaded": False}}]
