"""What tests put into slots, and find there."""

from ecbpf.chain.contents import programs
from ecbpf.chain.occupant import Occupant
from ecbpf.chain.subprogram import Subprogram
from ecbpf.kernel.object import Object

__all__ = ["PASS_ON", "PINS", "Verdict", "slot_ids"]

PASS_ON = 100

# The maps of a root array, beside those of its slots.
PINS = {"link", "xdp_program_array", "xdp_stats", "xdpcap_hook", "xdp_sample", "xdp_sample_hook", "data:chain"}


class Verdict(Subprogram):
    """A subprogram that gives all packets one verdict, XDP_* or PASS_ON (support/bpf/chain/verdicts.bpf.c)."""

    name = "verdicts"

    def __init__(self, slot: int, built: str, verdict: int = PASS_ON) -> None:
        self.slot = slot
        self.object = built
        self.verdict = verdict

    def configure(self, new: Object, interface: str) -> None:
        new.globals.verdict = self.verdict


def slot_ids(root: Occupant) -> list[int | None]:
    """The ids of the programs in the slots."""
    return [program.id if program else None for program in programs(root)]
