"""What an operator can set on a running fast path: the variables of bpf/fastpath/settings.h."""

from __future__ import annotations

import os

from ecbpf.chain.settings import Number, Settings, SettingTable, Switch
from ecbpf.errors import UsageError
from ecbpf.netdev.links import NetLink

__all__ = [
    "DEFAULTS",
    "NAMES",
    "SECTION",
    "TABLE",
    "check_together",
    "measured",
    "parse_inbound",
    "parse_settings",
]

SECTION = ".data.settings"

_PPS = "number of packets a second"
_CPUS = "number of CPUs"

TABLE = SettingTable(
    "the fast path",
    "ecbpf fastpath load",
    {
        "monitor": Switch(False),
        "limit_rates": Switch(False),
        "redirect": Switch(False),
        "decrement_ttl": Switch(False),
        "udp": Switch(False),
        "vlan": Number(-1, "VLAN id", -1, 4094, off="the one that IPVS uses"),
        "inactive_seconds": Number(60, "number of seconds", 1, 900),
        "sample_seconds": Number(1, "number of seconds", 1, 899),
        "rx_cpus": Number(1, _CPUS, 1, 1024),
        "rps_cpus": Number(1, _CPUS, 1, 1024),
        "max_resets_pps": Number(4000, _PPS, 0, 2**32 - 1),
        "inbound_pps": Number(8_000_000, _PPS, 1, 10**9),
        "inbound_spike": Number(5, "percentage", 0, 999),
        "inbound_max": Number(50, "percentage", 1, 1000),
        "wrap_packets": Number(4096, "number of packets", 128, 65536),
    },
)

DEFAULTS = TABLE.defaults
NAMES = list(TABLE.kinds)


def parse_settings(texts: list[str]) -> Settings:
    """Settings by name from ``NAME=VALUE``; ``inbound_pps=N+SPIKE+MAX`` gives three. Raises UsageError."""
    found: Settings = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name == "inbound_pps":
            found |= parse_inbound(value)
        else:
            found |= [TABLE.parse(text)]
    if found.get("vlan") == 0:
        raise UsageError("vlan=0", "no VLAN id", "give 1 to 4094, or -1: the one that IPVS uses")
    return found


def parse_inbound(text: str) -> Settings:
    """``PPS[+SPIKE[+MAX]]``: the inbound limit, and percentages above it (``%`` or not). Raises UsageError."""
    values = text.split("+")
    if len(values) > 3:
        raise UsageError(f"inbound_pps={text}", "more than three numbers", "PPS[+SPIKE[+MAX]]")
    names = ("inbound_pps", "inbound_spike", "inbound_max")
    return dict(
        TABLE.parse(f"{name}={value.removesuffix('%') if place else value}")
        for place, (name, value) in enumerate(zip(names, values, strict=False))
    )


def check_together(settings: Settings) -> None:
    """Raise UsageError for values that make no sense beside each other. settings: all, as they would be."""
    sample, inactive = settings["sample_seconds"], settings["inactive_seconds"]
    if sample >= inactive:
        raise UsageError(
            f"sample_seconds={sample}",
            f"not below inactive_seconds, which is {inactive}",
            "a flow has to be sampled before it is taken for silent",
        )
    spike, most = settings["inbound_spike"], settings["inbound_max"]
    if spike >= most:
        raise UsageError(
            f"inbound_spike={spike}", f"not below inbound_max, which is {most}", "inbound_pps=PPS+SPIKE+MAX"
        )


def measured(ingress: list[NetLink]) -> Settings:
    """What depends on the machine: CPUs that receive, no more than there are queues, and CPUs of the stack."""
    cpus = os.cpu_count() or 1
    queues = sum(link.rx_queues or cpus for link in ingress)
    return {"rx_cpus": max(1, min(cpus, queues)), "rps_cpus": cpus}
