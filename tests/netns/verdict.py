"""A subprogram for tests that gives every packet one verdict (bpf/verdicts.bpf.c)."""

from ecbpf.chain.subprogram import Subprogram
from ecbpf.kernel.object import Object

__all__ = ["PASS_ON", "Verdict"]

PASS_ON = 100


class Verdict(Subprogram):
    """XDP_* as the verdict of all packets, or PASS_ON."""

    name = "verdicts"

    def __init__(self, slot: int, built: str, verdict: int = PASS_ON) -> None:
        self.slot = slot
        self.object = built
        self.verdict = verdict

    def configure(self, new: Object, interface: str) -> None:
        new.globals.verdict = self.verdict
