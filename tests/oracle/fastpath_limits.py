"""The two limits of the fast path on one CPU: packets of unknown flows, and RSTs of this host's stack."""

from fractions import Fraction

from tests.oracle.fastpath_settings import Settings

__all__ = ["InboundLimit", "ResetLimit"]

_NANOSECONDS = 10**9
_EPOCHS = 8  # a second
_GRAIN = 2  # ticks within which the end of a flood is noticed


class InboundLimit:
    """Measures the rate every wrap_packets packets. `chance`: with which a packet is one too many."""

    def __init__(self) -> None:
        self.packets = 0
        self.start = 0
        self.chance = Fraction(0)
        self.until = Fraction(0)

    def arrive(self, settings: Settings, ticks: int, nanoseconds: int, ticks_a_second: int) -> None:
        """A packet of whatever kind comes in."""
        self.packets += 1
        if self.packets < settings.wrap_packets:
            return
        spike = Fraction(settings.inbound_pps * (100 + settings.inbound_spike), 100)
        most = Fraction(settings.inbound_pps * (100 + settings.inbound_max), 100)
        rate = Fraction(self.packets * settings.rx_cpus * _NANOSECONDS, max(nanoseconds - self.start, 1))
        self.chance = Fraction(0)
        if rate >= most:
            self.chance = Fraction(1)
        elif rate > spike:
            self.chance = (rate - spike) / (most - spike)
        self.until = ticks + self.packets * settings.rx_cpus * ticks_a_second / max(spike, Fraction(1, 100))
        self.packets, self.start = 0, nanoseconds

    def can_be_above(self, ticks: int) -> bool:
        """Whether a packet of an unknown flow may be one too many now; if it can, chance says so."""
        return self.chance > 0 and ticks <= self.until + _GRAIN


class ResetLimit:
    """max_resets_pps / rps_cpus: so many as add up to it, an eighth of a second at a time."""

    def __init__(self) -> None:
        self.epoch = 0
        self.resets = 0

    def take(self, settings: Settings, ticks: int, ticks_a_second: int) -> bool:
        """Whether one more may be sent."""
        epoch = ticks * _EPOCHS // ticks_a_second
        if epoch != self.epoch:
            self.epoch, self.resets = epoch, 0
        parts = max(settings.rps_cpus * _EPOCHS, 1)
        quota = (epoch + 1) * settings.max_resets_pps // parts - epoch * settings.max_resets_pps // parts
        if self.resets >= quota:
            return False
        self.resets += 1
        return True
