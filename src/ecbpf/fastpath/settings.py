"""What operators set on a running fast path: the variables of bpf/fastpath/settings.h."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ecbpf.errors import UsageError
from ecbpf.netdev.links import NetLink
from ecbpf.subprogram.settings import Number, Setting, SettingTable, Switch, Values

__all__ = ["TABLE", "check_together", "measured"]

_PPS = "number of packets per second"
_SECONDS = "number of seconds"
_CPUS = "number of CPUs"
_INBOUND = ("inbound_pps", "inbound_spike", "inbound_max")


class _VlanId(Number):
    """A VLAN ID, or -1."""

    @property
    def range(self) -> str:
        """The values that it takes: not 0."""
        return f"1 to {self.high}, or {self.low} ({self.lowest})"

    def check(self, value: object, text: str | None = None) -> None:
        """Raises UsageError."""
        super().check(value or None, str(value) if text is None else text)


_ROWS: tuple[Setting, ...] = (
    Switch("monitor", False, "decide and count, but divert nothing", "--monitor-mode"),
    Switch("limit_rates", False, "drop packets above a limit, not only count them", "--limit-rates"),
    Switch("redirect", False, "send by the NIC that IPVS uses; it needs an XDP program too", "--redirect-mode"),
    Switch("decrement_ttl", False, "decrement TTL and hop limit, as a router does", "--decrement-ttl"),
    Switch("udp", False, "handle UDP flows too (QUIC)", "--udp"),
    _VlanId("vlan", -1, "the servers' VLAN", "VLAN ID", -1, 4094, "the VLAN that IPVS uses", flag="--vlan"),
    Number(
        *("inactive_seconds", 60, "after a silence this long, a flow goes by IPVS again", _SECONDS, 1, 900),
        flag="--inactive-seconds-xdp",
    ),
    Number(
        *("sample_seconds", 1, "how often IPVS sees a packet of a flow; below inactive_seconds", _SECONDS, 1, 899),
        flag="--sample-seconds-ipvs",
    ),
    Number(
        *("rx_cpus", 1, "CPUs that receive; the inbound limit is divided by them", _CPUS, 1, 1024),
        measured="as the machine has",
    ),
    Number(
        *("rps_cpus", 1, "CPUs that run the network stack; max_resets_pps is divided by them", _CPUS, 1, 1024),
        measured="as the machine has",
    ),
    Number(
        *("max_resets_pps", 4000, "limit of RSTs to clients, per second", _PPS, 0, 2**32 - 1),
        flag="--max-resets-pps",
    ),
    Number(
        *("inbound_pps", 8_000_000, "limit of packets of unknown flows; N+SPIKE+MAX sets all three", _PPS),
        *(1, 10**9),
        flag="--inbound-pps",
    ),
    Number(
        *("inbound_spike", 5, "percent above inbound_pps at which drops begin; below inbound_max", "percentage"),
        *(0, 999),
    ),
    Number("inbound_max", 50, "percent above inbound_pps at which nearly all is dropped", "percentage", 1, 1000),
    Number(
        *("wrap_packets", 4096, "packets between two measurements of the rate", "number of packets", 128, 65536),
        flag="--wrap-packets-count",
    ),
)


class _Table(SettingTable):
    """The settings of the fast path."""

    def parse(self, texts: Iterable[str]) -> Values:
        """``inbound_pps=PPS[+SPIKE[+MAX]]`` sets up to three; the percentages may end in %. Raises UsageError."""
        return super().parse(each for text in texts for each in _split(text))


def _split(text: str) -> Iterator[str]:
    name, equals, value = text.partition("=")
    if name != "inbound_pps" or not equals:
        yield text
        return
    limit, *percentages = value.split("+")
    if len(percentages) >= len(_INBOUND):
        raise UsageError(text, "more than three numbers", "PPS[+SPIKE[+MAX]]")
    values = [limit, *(each.removesuffix("%") for each in percentages)]
    yield from (f"{name}={value}" for name, value in zip(_INBOUND, values, strict=False))


TABLE = _Table("the fast path", "ecbpf fastpath attach", _ROWS)


def check_together(settings: Values) -> None:
    """Raise UsageError for values that contradict each other. settings: all, as they would be."""
    sample, inactive = settings["sample_seconds"], settings["inactive_seconds"]
    if sample >= inactive:
        raise UsageError(
            f"sample_seconds={sample}",
            f"not below inactive_seconds, which is {inactive}",
            "a flow must be sampled before it counts as silent",
        )
    spike, most = settings["inbound_spike"], settings["inbound_max"]
    if spike >= most:
        raise UsageError(
            f"inbound_spike={spike}", f"not below inbound_max, which is {most}", "inbound_pps=PPS+SPIKE+MAX"
        )


def measured(ingress: list[NetLink]) -> Values:
    """What depends on the machine: CPUs that receive, at most one per queue, and CPUs of the network stack."""
    cpus = os.cpu_count() or 1
    queues = sum(link.rx_queues or cpus for link in ingress)
    return {"rx_cpus": max(1, min(cpus, queues)), "rps_cpus": cpus}
