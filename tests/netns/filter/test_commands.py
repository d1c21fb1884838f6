"""The filter's commands as they are typed: what they say, and what the next packet meets."""

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ecbpf.chain.attach import detach
from ecbpf.chain.occupant import find_root
from ecbpf.chain.slots import empty, pins_of, put
from ecbpf.filter.running import find_filter
from ecbpf.kernel.map import open_map
from ecbpf.kernel.uapi import XDP_DROP, XDP_PASS
from ecbpf.paths import object_path
from tests.netns.filter.snapshot import snapshot
from tests.support.frames import FLOOD  # from 192.0.2.1
from tests.support.objects import Build
from tests.support.pair import Pair
from tests.support.slots import Verdict, slot_ids
from tests.support.statsd import running, stopped
from tests.support.typed import done, typed

_DATE = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d \+0000"
_COUNTERS = (
    *("eth_frame_err", "ip_header_err", "ip6_header_err", "ip_drop_count", "ip6_drop_count", "ip_frag_drop_count"),
    *("ip6_frag_drop_count", "ptb_sent_count", "ptb_err_count", "ptb_mem_err_count", "ptb_limit_count"),
    *("ip_options_drop_count", "ip_evil_drop_count", "frag_local_count"),
)
_CLEAR_STATUS = "ecbpf filter clear-status -i"  # the word of an earlier version
_DEFAULTS = {"frags_drop": True, "ptb_send": True, "ptb_max_pps": 20, "frags_pass_local": True}
_DEFAULTS |= {"ip_options_drop": True, "ip_evil_drop": True, "ip_header_abort": True, "ip6_header_drop": True}


@pytest.fixture
def near(near: str, roots: Pair) -> str:
    """An interface with the filter; the far interface has only a root array."""
    done(f"ecbpf filter attach -i {near}")
    return near


@pytest.fixture
def both(near: str, pair: Pair) -> str:
    """Both interfaces, with the filter, separated by a comma."""
    done(f"xdp_filter --attach --interface {pair.far}")
    return f"{near},{pair.far}"


def _verdict(interface: str) -> int:
    return find_root(interface).program.test_run(FLOOD).retval


def _undated(text: str) -> str:
    return re.sub(_DATE, "DATE", text)


def _counts(**others: int) -> str:
    return "".join(f"{name}: {others.get(name, 0)}\n" for name in _COUNTERS)


def test_the_status_text(near: str, pair: Pair, both: str) -> None:
    first = (
        f"=================== Status for interface '{near}' ===================\n"
        "Current Configuration:\n\nfrags_drop? true\nptb_send? true\nptb_max_pps: 20\n\n"
    )
    for face in ("xdp_filter --status --interface", "ecbpf filter status -i"):
        assert done(f"{face} {near}") == (
            f"{first}Drop Maps for interface '{near}':\n\nStats for interface '{near}':\n\n{_counts()}"
        )
    done(f"xdp_filter --drop --interface {near} --ips 2001:db8::/32,192.168.56.0/24 --tags ',56 sübnet'")
    done(f"ecbpf filter drop -i {near} 192.0.2.1")
    find_root(near).program.test_run(FLOOD)
    filled = (
        f"{first}Drop Maps for interface '{near}':\n\n"
        "Address: 192.0.2.1/32\tTag: \tLoad Time: DATE\n"
        "Address: 192.168.56.0/24\tTag: 56 sübnet\tLoad Time: DATE\n"
        "Address: 2001:db8::/32\tTag: \tLoad Time: DATE\n\n"
        f"Stats for interface '{near}':\n\n{_counts(ip_drop_count=1)}"
    )
    assert _undated(done(f"ecbpf filter status -i {near}")) == filled
    for face in ("xdp_filter --status --interface", "ecbpf filter status -i"):
        two = done(f"{face} {both}")
        assert _undated(two).startswith(f"{filled}\n=================== Status for interface '{pair.far}' ====")


def test_the_text_shows_changed_settings_and_a_filled_allow_set(near: str) -> None:
    done(f"ecbpf filter set -i {near} ip_evil_drop=off ptb_max_pps=0 frags_drop=off")
    done(f"ecbpf filter allow -i {near} 10.0.0.1 --tag ours")
    text = _undated(done(f"ecbpf filter status -i {near}"))
    assert "frags_drop? false\nptb_send? true\nptb_max_pps: 0\nip_evil_drop? false\n\n" in text
    assert (
        f"Drop Maps for interface '{near}':\n\n"
        f"Allow Maps for interface '{near}':\n\nAddress: 10.0.0.1/32\tTag: ours\tLoad Time: DATE\n\n"
        "Stats for interface"
    ) in text


def test_the_json(near: str, pair: Pair, both: str) -> None:
    done(f"ecbpf filter drop -i {near} 192.168.56.0/24 --tag '56 sübnet'")
    bare = {"configuration": _DEFAULTS, "stats": dict.fromkeys(_COUNTERS, 0), "source_drops": []}
    entry = {"Address": "192.168.56.0", "PrefixLen": 24, "Tag": "56 sübnet", "Load Time": "DATE"}
    for face in ("xdp_filter --status --json --interface", "ecbpf filter status --json -i"):
        text = done(f"{face} {near}")
        assert "56 sübnet" in text, "unescaped, so that grep finds it"
        shown = json.loads(_undated(text))
        assert list(shown["configuration"]) == list(_DEFAULTS)
        assert list(shown["stats"]) == list(_COUNTERS)
        assert shown == bare | {"source_drops": [entry]}
        assert json.loads(_undated(done(f"{face} {both}"))) == {near: shown, pair.far: bare}
    done(f"ecbpf filter allow -i {near} 2001:db8::1")
    shown = json.loads(_undated(done(f"ecbpf filter status -i {near} --json")))
    assert shown["source_allows"] == [{"Address": "2001:db8::1", "PrefixLen": 128, "Tag": "", "Load Time": "DATE"}]


@pytest.mark.parametrize(
    ("drop", "undrop"),
    [
        ("ecbpf filter drop -i {} {}", "ecbpf filter undrop -i {} {}"),
        ("xdp_filter --drop --interface {} --ips {}", "xdp_filter --no-drop --interface {} --ips {}"),
    ],
)
def test_the_next_packet_meets_the_change(near: str, pair: Pair, both: str, drop: str, undrop: str) -> None:
    assert _verdict(near) == XDP_PASS
    added = "".join(f"{name}: 2 added; 2 in the drop set\n" for name in (near, pair.far))
    assert done(drop.format(both, "192.0.2.0/24,2001:db8::7")) == added
    assert _verdict(near) == _verdict(pair.far) == XDP_DROP
    assert done(drop.format(near, "192.0.2.0/24,10.0.0.1")) == f"{near}: 1 added, 1 renewed; 3 in the drop set\n"
    removed = "".join(f"{name}: 1 removed; {left} in the drop set\n" for name, left in ((near, 2), (pair.far, 1)))
    assert done(undrop.format(both, "192.0.2.0/24")) == removed
    assert _verdict(near) == _verdict(pair.far) == XDP_PASS
    status, out, err = typed(undrop.format(near, "192.0.2.0/24"))
    assert (status, out) == (1, "")
    assert err == (
        f"ecbpf: {near}: 192.0.2.0/24: not in the drop set; "
        f"ecbpf filter check -i {near} 192.0.2.0 says what covers it\n"
    )


def test_the_allow_set_wins(near: str) -> None:
    done(f"ecbpf filter drop -i {near} 192.0.2.0/24 --tag bad")
    assert done(f"ecbpf filter allow -i {near} 192.0.2.1") == f"{near}: 1 added; 1 in the allow set\n"
    assert _verdict(near) == XDP_PASS
    assert done(f"ecbpf filter list -i {near} --allowed") == "192.0.2.1/32\n"
    assert done(f"ecbpf filter list -i {near}") == "192.0.2.0/24 bad\n"
    assert done(f"ecbpf filter flush -i {near}") == f"{near}: 1 removed; 0 in the drop set\n"
    assert done(f"ecbpf filter list -i {near} --allowed") == "192.0.2.1/32\n", "flush is for the drop set"
    assert done(f"ecbpf filter unallow -i {near} 192.0.2.1") == f"{near}: 1 removed; 0 in the allow set\n"
    assert typed(f"ecbpf filter unallow -i {near} 192.0.2.1")[0] == 1


def test_flush_twice(both: str, near: str, pair: Pair) -> None:
    done(f"ecbpf filter drop -i {both} 192.0.2.1 2001:db8::/32")
    for face in ("xdp_filter --clear --interface", "ecbpf filter flush -i"):
        done(f"ecbpf filter drop -i {near} 192.0.2.1")
        assert done(f"{face} {both}").startswith(f"{near}: ")
        assert _verdict(near) == _verdict(pair.far) == XDP_PASS
        nothing = "".join(f"{name}: nothing to change; 0 in the drop set\n" for name in (near, pair.far))
        assert done(f"{face} {both}") == nothing


def test_flush_dry_run(both: str, near: str, pair: Pair) -> None:
    done(f"ecbpf filter drop -i {near} 192.0.2.1 2001:db8::/32")
    before = snapshot(near, pair.far)
    assert done(f"ecbpf filter flush -i {both} --dry-run") == (
        f"{near}: dry run: 2 removed; 0 in the drop set\n"
        f"{pair.far}: dry run: nothing to change; 0 in the drop set\n"
    )
    assert snapshot(near, pair.far) == before


@pytest.mark.parametrize("face", ["xdp_filter --clear-status --interface", "ecbpf filter clear -i", _CLEAR_STATUS])
def test_clear_sets_the_counts_to_zero(both: str, near: str, pair: Pair, face: str) -> None:
    cleared = f"{near}: counts cleared\n{pair.far}: counts cleared\n"
    hint = f"{near}: 2 still in the drop set; ecbpf filter flush -i {near} empties it\n"
    done(f"ecbpf filter allow -i {pair.far} 192.0.2.1")  # flush leaves the allow set alone
    for _ in range(2):
        done(f"ecbpf filter drop -i {near} 192.0.2.1 2001:db8::/32")
        assert _verdict(near) == XDP_DROP
        assert done(f"{face} {both}") == cleared + ("" if face.startswith("xdp_filter") else hint)
        assert set(find_filter(near).counters().values()) == {0}
        assert _verdict(near) == XDP_DROP, "the sets stay"


@pytest.mark.parametrize("flags", ["--watch 0.1 --json", "--json --watch=0.1"])
def test_watch_prints_counts_and_rates(both: str, near: str, pair: Pair, flags: str) -> None:
    done(f"ecbpf filter drop -i {near} 192.0.2.1")
    with running(f"ecbpf filter status -i {both} {flags}") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        find_root(near).program.test_run(FLOOD)
        looks = [json.loads(process.stdout.readline()) for _ in range(12)]
        assert stopped(process)[0::2] == (0, "")
    for look in (first, *looks):
        assert list(look) == [near, pair.far]
        for shown in look.values():
            assert list(shown) == ["seconds", "counts", "rates"]
            assert list(shown["counts"]) == list(shown["rates"]) == list(_COUNTERS)
            assert 0 < shown["seconds"] < 10
    assert first[near]["counts"]["ip_drop_count"] == 0
    assert looks[-1][near]["counts"] == dict.fromkeys(_COUNTERS, 0) | {"ip_drop_count": 1}
    assert sum(look[near]["rates"]["ip_drop_count"] > 0 for look in looks) == 1
    assert {rate for look in looks for rate in look[pair.far]["rates"].values()} == {0}


def test_watch_as_text(near: str) -> None:
    with running(f"ecbpf filter status -i {near} --watch 0.1") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2 * (len(_COUNTERS) + 2))]
        assert stopped(process)[0::2] == (0, "")
    assert lines[0] == lines[len(_COUNTERS) + 2] == f"{near}:\n"
    assert [line.split() for line in lines[1 : len(_COUNTERS) + 1]] == [[name, "0", "0/s"] for name in _COUNTERS]


def test_settings(both: str, near: str, pair: Pair) -> None:
    assert done(f"xdp_filter --interface {both} --no-frags-drop") == (
        f"{near}: frags_drop is false, was true\n{pair.far}: frags_drop is false, was true\n"
    )
    assert done(f"xdp_filter --interface {near} --ptb-max-pps 0 --frags-drop") == (
        f"{near}: frags_drop is true, was false\n{near}: ptb_max_pps is 0, was 20\n"
    )
    assert done(f"ecbpf filter set -i {near} ptb_max_pps=4294967295 ip_header_abort=OFF --dry-run") == (
        f"{near}: ptb_max_pps would be 4294967295, is 0\n{near}: ip_header_abort would be off, is on\n"
    )
    assert find_filter(near).settings == _DEFAULTS | {"ptb_max_pps": 0}
    done(f"ecbpf filter set -i {near} ptb_max_pps=4294967295 ip_header_abort=0 ptb_send=no")
    changed = {"ptb_max_pps": 2**32 - 1, "ip_header_abort": False, "ptb_send": False}
    assert find_filter(near).settings == _DEFAULTS | changed
    assert done(f"ecbpf filter set -i {near} ptb_send=off") == f"{near}: ptb_send is off, was off\n"


def test_attach_again_keeps_all_settings_but_those_it_sets(near: str, pair: Pair) -> None:
    done(f"ecbpf filter drop -i {near} 192.0.2.0/24 2001:db8::/48 --tag 'a, b'")
    done(f"ecbpf filter allow -i {near} 192.0.2.77")
    done(f"ecbpf filter set -i {near} frags_drop=off ip_evil_drop=off")
    assert _verdict(near) == XDP_DROP
    (before_ids, before), old_pins = snapshot(near), pins_of(near, 2)
    for line in (
        f"ecbpf filter attach -i {near} ptb_max_pps=7",
        f"xdp_filter --attach --interface {near} --ptb-max-pps 7",
    ):
        assert done(line) == f"{near}: filter replaced in slot 2\n"
        ids, after = snapshot(near)
        assert ids != before_ids
        assert after == replace(before, program_id=ids[2], settings=before.settings | {"ptb_max_pps": 7})
        assert _verdict(near) == XDP_DROP
        before_ids, before = snapshot(near)
    assert done(f"xdp_filter --attach --interface {near},{pair.far} --frags-drop") == (
        f"{near}: filter replaced in slot 2\n{pair.far}: filter put in slot 2\n"
    )
    assert find_filter(near).settings["frags_drop"] is True
    assert find_filter(near).settings["ip_evil_drop"] is False
    names = {"program", "filter_stats", "filter_lists", "filter_local", "filter_ip4", "filter_ip6", "data"}
    assert names <= set(os.listdir(old_pins))
    with open_map(f"{old_pins}/filter_lists") as lists:
        assert lists.get(0) is not None or lists.get(1) is not None


def test_detach_frees_the_sets(both: str, near: str, pair: Pair) -> None:
    for line, again in (
        (f"ecbpf filter detach -i {both}", f"ecbpf filter detach -i {near}"),
        (f"xdp_filter --detach --interface {both}", f"xdp_filter --detach --interface {near}"),
    ):
        done(f"ecbpf filter attach -i {both} frags_drop=off")
        done(f"ecbpf filter drop -i {near} 192.0.2.1")
        assert done(line) == f"{near}: slot 2 emptied\n{pair.far}: slot 2 emptied\n"
        assert not os.path.exists(pins_of(near, 2))
        assert typed(again) == (
            *(1, "", f"ecbpf: {near}: no filter in slot 2; attach it: ecbpf filter attach -i {near}\n"),
        )
        assert _verdict(near) == XDP_PASS
        done(f"ecbpf filter attach -i {near}")
        assert find_filter(near).settings == _DEFAULTS
        assert done(f"ecbpf filter list -i {near}") == ""


def test_check(near: str, pair: Pair, both: str) -> None:
    done(f"ecbpf filter drop -i {near} 10.0.0.0/8 --tag large")
    done(f"ecbpf filter drop -i {near} 10.1.0.0/16")
    done(f"ecbpf filter drop -i {near} 2001:db8::/32 --tag six")
    done(f"ecbpf filter allow -i {near} 10.1.2.0/24 192.0.2.0/24 --tag ours")
    said = _undated(
        done(f"ecbpf filter check -i {near} 10.9.9.9,10.1.1.1 10.1.2.3 192.0.2.1 2001:db8::5 2001:db9::")
    )
    assert said == (
        f"{near}: 10.9.9.9 is dropped by 10.0.0.0/8 (large, since DATE)\n"
        f"{near}: 10.1.1.1 is dropped by 10.1.0.0/16 (since DATE)\n"
        f"{near}: 10.1.2.3 is not dropped: allowed by 10.1.2.0/24 (ours, since DATE), "
        "though listed by 10.1.0.0/16 (since DATE)\n"
        f"{near}: 192.0.2.1 is not dropped: allowed by 192.0.2.0/24 (ours, since DATE)\n"
        f"{near}: 2001:db8::5 is dropped by 2001:db8::/32 (six, since DATE)\n"
        f"{near}: 2001:db9:: is not dropped\n"
    )
    shown = json.loads(_undated(done(f"ecbpf filter check -i {both} --json 10.1.2.3")))
    assert shown == {
        near: [
            {
                "Address": "10.1.2.3",
                "drop": {"Prefix": "10.1.0.0/16", "Tag": "", "Load Time": "DATE"},
                "allow": {"Prefix": "10.1.2.0/24", "Tag": "ours", "Load Time": "DATE"},
                "Dropped": False,
            }
        ],
        pair.far: [{"Address": "10.1.2.3", "Dropped": False}],
    }
    assert done(f"ecbpf filter check -i {pair.far} 10.9.9.9") == f"{pair.far}: 10.9.9.9 is not dropped\n"


def test_cleared_host_bits_are_reported(near: str) -> None:
    assert done(f"xdp_filter --drop --interface {near} --ips 192.168.56.7/24") == (
        f"host bits cleared: 192.168.56.7/24 is 192.168.56.0/24\n{near}: 1 added; 1 in the drop set\n"
    )
    assert done(f"ecbpf filter drop -i {near} 10.0.0.0/8 2001:db8::1/32 192.168.56.9/24 10.1.2.3") == (
        "host bits cleared: 2001:db8::1/32 is 2001:db8::/32, and 1 more\n"
        f"{near}: 3 added, 1 renewed; 4 in the drop set\n"
    )
    assert done(f"ecbpf filter undrop -i {near} 192.168.56.200/24") == (
        f"host bits cleared: 192.168.56.200/24 is 192.168.56.0/24\n{near}: 1 removed; 3 in the drop set\n"
    )


def test_another_program_in_the_slot_is_named(near: str, build: Build) -> None:
    empty(near, 2)
    put(near, Verdict(2, build("chain/verdicts"), XDP_DROP))
    before = snapshot(near)
    why = "slot 2 holds xdp_verdicts_prog, which is not the filter"
    error = f"ecbpf: {near}: {why}; ecbpf filter attach -i {near} replaces it\n"
    for line in (
        *(
            f"ecbpf filter {verb} -i {near}"
            for verb in ("detach", "status", "clear", "flush", "clear-status", "list", "serve")
        ),
        *(f"ecbpf filter {verb} -i {near} 10.0.0.1" for verb in ("drop", "undrop", "allow", "unallow", "check")),
        f"ecbpf filter load -i {near} /dev/null",
        f"ecbpf filter save -i {near} -",
        f"ecbpf filter set -i {near} frags_drop=on",
        f"ecbpf filter status -i {near} --watch",
        f"ecbpf filter statsd -i {near}",
        f"ecbpf filter watch -i {near}",
        f"xdp_filter --detach --interface {near}",
    ):
        assert typed(line) == (1, "", error), line
    assert snapshot(near) == before
    said = "filter put in slot 2 in place of xdp_verdicts_prog"
    assert done(f"ecbpf filter attach -i {near}") == f"{near}: {said}\n"


def test_without_a_root_array(near: str) -> None:
    detach(near)
    for line in (f"ecbpf filter attach -i {near}", f"xdp_filter --status --interface {near}"):
        assert typed(line) == (
            *(1, "", f"ecbpf: {near}: no root array attached; attach one: ecbpf attach {near}\n"),
        )


def test_another_object_of_the_filter(near: str, tmp_path: Path) -> None:
    copy = shutil.copy(object_path("filter"), tmp_path / "mine.bpf.o")
    before = slot_ids(find_root(near))
    done(f"xdp_filter --attach --interface {near} --program {copy}")
    done(f"ecbpf filter attach -i {near} --filename {copy}")
    assert slot_ids(find_root(near)) != before
