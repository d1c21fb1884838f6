"""The commands of the fast path as they are typed: what they say, and what they change."""

import json
import re
from contextlib import redirect_stdout
from io import StringIO
from unittest.mock import patch

import pytest

from ecbpf.chain.attach import attach, detach
from ecbpf.chain.egress import take_off_egress
from ecbpf.chain.occupant import find_root
from ecbpf.chain.pins import locked
from ecbpf.chain.slots import put
from ecbpf.cli.main import main
from ecbpf.fastpath.programs import EGRESS
from ecbpf.fastpath.running import find_fastpath
from ecbpf.fastpath.settings import TABLE
from ecbpf.kernel.probe import Answer, probe_tcx
from ecbpf.kernel.uapi import XDP_DROP, XDP_PASS
from tests.netns.fastpath.typed import loaded, snapshot
from tests.support.frames import FLOOD
from tests.support.objects import Build
from tests.support.shell import sh
from tests.support.slots import Verdict, slot_ids
from tests.support.typed import done, typed

_COUNTERS = (
    *("total_pkts_xdp_rx", "total_pkts_tc_tx", "total_bypassed_pkts", "ipv4_pkts", "ipv6_pkts"),
    *("ipv4_inbound_locals", "ipv6_inbound_locals", "tcp_pkts", "broad_multi_pkts", "lru_reuse_syns"),
    *("lru_deletion_RST", "lru_deletion_out_RST", "lru_alloc_nonsyns", "lru_reuse_nonsyns", "lru_miss_out_syn"),
    *("lru_miss_out_nonsyn", "lru_miss_in_limited", "out_rsts_sent_tc", "out_rsts_sent_xdp"),
    *("out_rsts_disc_rate", "out_rsts_disc_flow", "out_rsts_unknown", "in_rsts_disc_flow"),
    *("inactivity_timeout", "ipv4_fragmented_pkts", "frame_errors", "adjust_head_errors", "unknown_interface"),
    *("unexpected_ipvs_rsts", "suspect_misflows_sack", "server_changes", "unconfirmed", "vlan_conflicts"),
)
_WAY = "clsact" if probe_tcx() is Answer.NO else "tcx"
_NOT_LOADED = "ecbpf: fast path: not attached; attach it: ecbpf fastpath attach -i IFACES -o IFACES\n"
_NEW = "new flow table: 0 flows, made for 1000, 0.259 MiB\n"
_KEPT = "flow table kept: 0 flows, made for 1000, 0.259 MiB\n"


@pytest.fixture
def installed(host: None) -> None:
    """In at near0, out at far0, by redirect."""
    loaded()


def _settings(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines())


def test_load_reload_unload(host: None) -> None:
    assert loaded() == (
        "near0: egress program attached (tcx)\n"
        "far0: egress program attached (tcx)\n"
        f"near0: fast path put in slot 7\n{_NEW}"
    ).replace("tcx", _WAY)
    for line in ("ecbpf fastpath attach", "ecbpf fastpath attach -i near0", "ecbpf fastpath attach -o far0,near0"):
        assert done(line) == (
            "near0: egress program replaced (tcx)\n"
            "far0: egress program replaced (tcx)\n"
            f"near0: fast path replaced in slot 7\n{_KEPT}"
        ).replace("tcx", _WAY)
    assert done("ecbpf fastpath detach") == (
        "near0: slot 7 emptied\nfar0: egress program taken off\nnear0: egress program taken off\n"
    )
    assert typed("ecbpf fastpath detach") == (1, "", "ecbpf: fast path: not attached\n")


def test_one_nic_for_both(host: None) -> None:
    said = done("ecbpf fastpath attach -i near0 -o near0 --flows 1000")
    assert [line.split(" (")[0] for line in said.splitlines()][:2] == [
        "near0: egress program attached",
        "near0: fast path put in slot 7",
    ]
    assert done("ecbpf fastpath detach -i near0 -o near0") == (
        "near0: slot 7 emptied\nnear0: egress program taken off\n"
    )


def test_several_interfaces_and_parts_of_them(host: None) -> None:
    done("ecbpf fastpath attach -i near0,other0 -o far0-near0 --flows 1000 redirect=on")
    running = find_fastpath()
    assert (sorted(running.ingress), sorted(running.egress)) == (["near0", "other0"], ["far0", "near0", "other0"])
    before = snapshot()
    assert typed("ecbpf fastpath detach -o other0,far0") == (
        *(64, ""),
        "ecbpf: other0: client packets come in there too, and ingress needs the egress program; "
        "ecbpf fastpath detach -i other0\n",
    )
    assert snapshot() == before
    assert done("ecbpf fastpath detach -i other0") == "other0: slot 7 emptied\nother0: egress program taken off\n"
    assert typed("ecbpf fastpath detach -i other0") == (
        *(1, ""),
        "ecbpf: fast path: not attached to other0; ecbpf fastpath status says where it is\n",
    )
    assert done("ecbpf fastpath detach -o far0") == "far0: egress program taken off\n"
    done("ecbpf fastpath attach -i other0")
    assert done("ecbpf fastpath detach -i other0,near0 -o far0") == (
        "near0: slot 7 emptied\nother0: slot 7 emptied\n"
        "near0: egress program taken off\nother0: egress program taken off\n"
    )
    assert typed("ecbpf fastpath show") == (1, "", _NOT_LOADED)


def test_egress_alone_is_shown_and_completed(host: None) -> None:
    loaded()
    done("ecbpf fastpath detach -i near0")
    assert "ingress: -\negress: far0\n" in done("ecbpf fastpath show")
    assert typed("ecbpf fastpath attach").err == (
        "ecbpf: fast path: no interfaces given with -i; ecbpf fastpath attach -i IFACES -o IFACES\n"
    )
    assert f"near0: fast path put in slot 7\n{_KEPT}" in done("ecbpf fastpath attach -i near0")


def test_ingress_alone_is_completed(installed: None) -> None:
    """Egress was taken away behind our back."""
    with locked():
        take_off_egress("near0", EGRESS)
        take_off_egress("far0", EGRESS)
    assert "ingress: near0\negress: -\n" in done("ecbpf fastpath show")
    assert typed("ecbpf fastpath attach").err == (
        "ecbpf: fast path: no interfaces given with -o; ecbpf fastpath attach -i IFACES -o IFACES\n"
    )
    assert _KEPT in done("ecbpf fastpath attach -o far0")
    assert "ingress: near0\negress: far0 near0\n" in done("ecbpf fastpath show")


def test_another_program_in_slot_7_is_replaced(host: None, build: Build) -> None:
    """As for every subprogram: who loads one into a slot means it."""
    put("near0", Verdict(7, build("chain/verdicts"), XDP_DROP))
    assert find_root("near0").program.test_run(FLOOD).retval == XDP_DROP
    assert typed("ecbpf fastpath show") == (1, "", _NOT_LOADED)
    assert typed("ecbpf fastpath detach") == (1, "", "ecbpf: fast path: not attached\n")
    assert "near0: fast path put in slot 7 in place of xdp_verdicts_prog\n" in loaded()
    assert find_root("near0").program.test_run(FLOOD).retval == XDP_PASS


def test_a_flow_table_of_another_size(installed: None) -> None:
    table = find_fastpath().flow_table.info.id
    assert "flow table kept: 0 flows, made for 1000, 0.259 MiB\n" in done("ecbpf fastpath attach --flows 1000")
    assert find_fastpath().flow_table.info.id == table
    assert "new flow table: 0 flows, made for 2000, 0.519 MiB\n" in done("ecbpf fastpath attach --flows 2000")
    assert find_fastpath().flow_table.info.id != table
    assert "flow table kept: 0 flows, made for 2000, 0.519 MiB\n" in done("ecbpf fastpath attach")
    done("ecbpf fastpath detach")
    assert "new flow table: 0 flows, made for 1000000, 259 MiB\n" in done(
        "ecbpf fastpath attach -i near0 -o near0"
    )


def test_show(installed: None) -> None:
    done("ecbpf fastpath exclude add 192.0.2.7")
    text = done("ecbpf fastpath show")
    assert text.startswith(
        "ingress: near0\negress: far0 near0\nmonitor: off\nlimit_rates: off\nredirect: on\ndecrement_ttl: off\n"
        "udp: off\nvlan: -1\ninactive_seconds: 60\nsample_seconds: 1\nrx_cpus: "
    )
    assert text.endswith(
        "max_resets_pps: 4000\ninbound_pps: 8000000\ninbound_spike: 5\ninbound_max: 50\nwrap_packets: 4096\n"
        "flow table: 0 flows, made for 1000, 0.259 MiB\n"
        "address interfaces: all\nown addresses: -\nexcluded addresses: 192.0.2.7\n"
    )
    shown = json.loads(done("ecbpf fastpath show --json"))
    assert shown["settings"] == TABLE.defaults | {
        "redirect": True,
        "rx_cpus": shown["settings"]["rx_cpus"],
        "rps_cpus": shown["settings"]["rps_cpus"],
    }
    assert list(shown["settings"]) == list(TABLE.rows)
    del shown["settings"]
    assert shown == {
        "ingress": ["near0"],
        "egress": ["far0", "near0"],
        "table": {"flows": 0, "made_for": 1000, "bytes": 272000},
        "addresses": {"interfaces": [], "own": [], "excluded": ["192.0.2.7"]},
    }


def test_set(installed: None) -> None:
    assert done("ecbpf fastpath set monitor=on sample_seconds=5 inbound_pps=1000+7%+9%") == (
        "monitor is on, was off\nsample_seconds is 5, was 1\ninbound_pps is 1000, was 8000000\n"
        "inbound_spike is 7, was 5\ninbound_max is 9, was 50\n"
    )
    assert done("ecbpf fastpath set monitor=off vlan=7 --dry-run --force") == (
        "monitor would be off, is on\nvlan would be 7, is -1\n"
    )
    assert done("ecbpf fastpath set vlan=7 --force") == "vlan is 7, was -1\n"
    assert done("ecbpf fastpath set vlan=7 --force") == "vlan is 7, was 7\n"
    shown = _settings(done("ecbpf fastpath show"))
    assert (shown["monitor"], shown["vlan"], shown["inbound_spike"]) == ("on", "7", "7")
    assert done("ecbpf fastpath set sample_seconds=100 inactive_seconds=101") == (
        "sample_seconds is 100, was 5\ninactive_seconds is 101, was 60\n"
    )


def test_a_forced_setting_does_not_block_later_commands(installed: None) -> None:
    done("ecbpf fastpath set vlan=77 --force")
    detach("far0")  # a target of redirect
    assert done("ecbpf fastpath set monitor=on") == "monitor is on, was off\n"
    done("ecbpf fastpath attach limit_rates=on")
    assert typed("ecbpf fastpath set vlan=77").status == 65
    assert typed("ecbpf fastpath set redirect=on").status == 1
    assert typed("ecbpf fastpath attach -i other0").err == (
        "ecbpf: vlan=77: this host has no such VLAN on other0; "
        "ip link add link other0 name other0.77 type vlan id 77; or --force\n"
    )


def test_redirect_needs_a_program_on_the_target(host: None) -> None:
    before = snapshot()
    error = (
        "ecbpf: bare0: redirect=on, and no XDP program here: the driver may drop redirected packets; "
        "ecbpf attach bare0\n"
    )
    assert typed("ecbpf fastpath attach -i near0 -o bare0 --flows 1000 redirect=on") == (1, "", error)
    assert snapshot() == before
    status, _, err = typed("ecbpf fastpath attach -i near0 -o bare0 --flows 1000")
    assert (status, err) == (
        0,
        "ecbpf: warning: bare0: no packets of clients come in here, so flows that IPVS sends by it are left to "
        "IPVS; see redirect and vlan in docs/fastpath.md\n",
    )
    before = snapshot()
    assert typed("ecbpf fastpath set redirect=on") == (1, "", error)
    assert snapshot() == before
    attach("bare0", generic=True)
    assert done("ecbpf fastpath set redirect=on") == "redirect is on, was off\n"
    detach("bare0")


def test_addresses(host: None) -> None:
    sh("ip addr add 10.0.0.1/24 dev near0; ip addr add 10.0.1.1/24 dev other0; ip addr add 10.0.9.9/32 dev lo")
    loaded("-a other0,lo -e 192.0.2.1,2001:db8::1 -e 192.0.2.2")

    def shown() -> list[str]:
        return done("ecbpf fastpath show").splitlines()[-3:]

    excluded = "excluded addresses: 192.0.2.1 192.0.2.2 2001:db8::1"
    assert shown() == [*("address interfaces: lo other0", "own addresses: 10.0.1.1 10.0.9.9"), excluded]
    done("ecbpf fastpath attach -a near0")
    assert shown() == ["address interfaces: near0", "own addresses: 10.0.0.1", excluded]
    done("ecbpf fastpath attach")
    assert shown() == ["address interfaces: near0", "own addresses: 10.0.0.1", excluded]
    done("ecbpf fastpath attach -a ''")
    assert shown() == ["address interfaces: all", "own addresses: 10.0.0.1 10.0.1.1", excluded]
    sh("ip addr del 10.0.0.1/24 dev near0; ip addr add 10.0.0.2/24 dev near0")
    done("ecbpf fastpath exclude add 10.0.0.2")
    assert shown() == [
        *("address interfaces: all", "own addresses: 10.0.0.2 10.0.1.1"),
        "excluded addresses: 10.0.0.2 192.0.2.1 192.0.2.2 2001:db8::1",
    ]
    done("ecbpf fastpath exclude del 10.0.0.2")
    assert shown()[1:] == ["own addresses: 10.0.0.2 10.0.1.1", excluded], "an own one it still is"


def test_exclude(installed: None) -> None:
    assert done("ecbpf fastpath exclude list") == ""
    assert done("ecbpf fastpath exclude list --json") == "[]\n"
    assert done("ecbpf fastpath exclude add 192.0.2.9 2001:db8::1,10.0.0.1") == "excluded addresses: 3\n"
    assert done("ecbpf fastpath exclude add 10.0.0.1,10.0.0.1") == "excluded addresses: 3\n"
    assert done("ecbpf fastpath exclude list") == "10.0.0.1\n192.0.2.9\n2001:db8::1\n"
    assert json.loads(done("ecbpf fastpath exclude list --json")) == ["10.0.0.1", "192.0.2.9", "2001:db8::1"]
    before = snapshot()
    assert typed("ecbpf fastpath exclude del 10.0.0.1 10.0.0.2") == (
        *(1, ""),
        "ecbpf: 10.0.0.2: not excluded; ecbpf fastpath exclude list shows what is\n",
    )
    assert snapshot() == before
    assert done("ecbpf fastpath exclude del 10.0.0.1,192.0.2.9") == "excluded addresses: 1\n"


def test_counts_and_rates(installed: None) -> None:
    assert done("ecbpf fastpath stats") == "".join(f"{name}: 0\n" for name in _COUNTERS)
    find_root("near0").program.test_run(FLOOD)  # to another MAC than near0's
    counts = json.loads(done("ecbpf fastpath stats --json"))
    assert list(counts) == list(_COUNTERS)
    assert counts == dict.fromkeys(_COUNTERS, 0) | {"total_pkts_xdp_rx": 1}
    looks = done("ecbpf fastpath stats 0.1 2").split("\n\n")
    assert looks[-1] == ""
    for look in looks[:-1]:
        lines = look.splitlines()
        assert lines[0] == "total_pkts_xdp_rx                    1            0/s"
        assert len({len(line) for line in lines}) == 1, "columns"
        assert [line.split()[0] for line in lines] == list(_COUNTERS)
    assert len(looks) == 3
    every = [json.loads(line) for line in done("ecbpf fastpath stats 0.4 3 --json").splitlines()]
    assert len(every) == 3
    for each in every:
        assert 0.2 < each["seconds"] < 4
        assert each["counts"] == counts
        assert each["rates"] == dict.fromkeys(_COUNTERS, 0.0)


def test_no_flows(installed: None) -> None:
    head = "PROTO CLIENT VIP SERVER INTERFACE VLAN BYPASSED UP IDLE STATE\n"
    for line in ("", "--sort idle", "--sort pkts --server 02-00-00-00-00-01", "--server 020000000001"):
        assert done(f"ecbpf fastpath flows {line}") == head
    assert done("ecbpf fastpath flows --json") == "[]\n"


def _help(line: str) -> str:
    text = StringIO()
    with redirect_stdout(text), patch("sys.argv", line.split()), pytest.raises(SystemExit, match=r"^0$"):
        main()
    return text.getvalue()


def test_help_names_every_verb_and_setting() -> None:
    for verb in ("attach", "detach", "status", "set", "clear", "serve", "flows", "exclude"):
        assert f"\n    {verb} " in _help("ecbpf fastpath --help")
        assert _help(f"ecbpf fastpath {verb} --help")
    for verb in ("attach", "load", "set"):
        assert all(name in _help(f"ecbpf fastpath {verb} --help") for name in TABLE.rows)


def test_earlier_words_are_understood_and_not_listed(host: None) -> None:
    for verb in ("load", "unload", "show", "stats", "statsd"):
        assert f"\n    {verb} " not in _help("ecbpf fastpath --help")
        assert _help(f"ecbpf fastpath {verb} --help")
    words = "-i near0 -o near0 -a other0 -e 192.0.2.1 --flows 1000 --force vlan=7"
    attached, detached = done(f"ecbpf fastpath attach {words}"), done("ecbpf fastpath detach -i near0")
    assert done(f"ecbpf fastpath load {words}") == attached
    status = done("ecbpf fastpath status")
    assert done("ecbpf fastpath show") + done("ecbpf fastpath stats") == status
    everything = json.loads(done("ecbpf fastpath status --json"))
    assert json.loads(done("ecbpf fastpath stats --json")) == everything.pop("counters")
    assert json.loads(done("ecbpf fastpath show --json")) == everything
    assert done("ecbpf fastpath unload -i near0") == detached


def test_status(installed: None) -> None:
    text = done("ecbpf fastpath status")
    assert text.startswith("ingress: near0\negress: far0 near0\nmonitor: off\n")
    assert text.endswith("excluded addresses: -\n" + "".join(f"{name}: 0\n" for name in _COUNTERS))
    shown = json.loads(done("ecbpf fastpath status --json"))
    assert list(shown) == ["ingress", "egress", "settings", "table", "addresses", "counters"]
    assert shown["counters"] == dict.fromkeys(_COUNTERS, 0)
    assert list(shown["counters"]) == list(_COUNTERS)


def test_clear(installed: None) -> None:
    done("ecbpf fastpath set wrap_packets=128 inbound_pps=1+0+1")
    for _ in range(200):
        find_root("near0").program.test_run(FLOOD)
    before = snapshot()
    assert find_fastpath().counters()["total_pkts_xdp_rx"] == 200
    assert done("ecbpf fastpath clear") == "fast path: counts cleared\n"
    assert find_fastpath().counters() == dict.fromkeys(_COUNTERS, 0)
    assert snapshot() == before
    find_root("near0").program.test_run(FLOOD)
    assert find_fastpath().counters()["total_pkts_xdp_rx"] == 1


def test_clear_leaves_the_rest_of_the_value_alone(installed: None) -> None:
    cpus = find_fastpath().maps["fastpath_cpus"]
    (first, *others) = cpus[0]
    first.packets, first.drop_chance, first.resets, first.reset_epoch = 7, 8, 9, 10
    first.count[0] = 11
    cpus[0] = [first, *others]
    done("ecbpf fastpath clear")
    now = cpus[0][0]
    assert (now.packets, now.drop_chance, now.resets, now.reset_epoch) == (7, 8, 9, 10)
    assert not any(now.count)


def test_slot_7_alone_is_filled(installed: None) -> None:
    assert [slot for slot, number in enumerate(slot_ids(find_root("near0"))) if number] == [7]
    assert not any(slot_ids(find_root("far0")))
    assert re.search(r"7 \| +\d+ \| xdp_fastpath_prog ", done("ecbpf status near0"))
