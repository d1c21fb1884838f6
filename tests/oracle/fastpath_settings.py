"""What an operator sets on the fast path, with the defaults that docs/fastpath.md and the commands state."""

from dataclasses import dataclass

__all__ = ["VLAN_AS_LEARNED", "Settings"]

VLAN_AS_LEARNED = -1


@dataclass(frozen=True)
class Settings:
    """As the C has them: a variable each."""

    monitor: bool = False
    limit_rates: bool = False
    redirect: bool = False
    decrement_ttl: bool = False
    udp: bool = False
    vlan: int = VLAN_AS_LEARNED
    inactive_seconds: int = 60
    sample_seconds: int = 1
    rx_cpus: int = 1
    rps_cpus: int = 1
    max_resets_pps: int = 4000
    inbound_pps: int = 8_000_000
    inbound_spike: int = 5
    inbound_max: int = 50
    wrap_packets: int = 4096
