"""printk as a subprogram: a small example of one with a setting and counters (docs/subprogram.md)."""

from ecbpf.kernel.object import Object
from ecbpf.kernel.probe import Answer, probe_helper
from ecbpf.kernel.uapi import PROG_XDP
from ecbpf.objects.printk import PrintkBpf
from ecbpf.subprogram.base import StatefulSubprogram
from ecbpf.subprogram.counters import CounterTable
from ecbpf.subprogram.settings import Number

__all__ = ["SLOT", "Printk", "has_vprintk"]

SLOT = 6
_BPF_FUNC_TRACE_VPRINTK = 177


class Printk(StatefulSubprogram):
    """Logs one line per packet to the trace pipe, and passes the packet on."""

    name = "printk"
    command = "ecbpf printk"
    slot = SLOT
    program = "xdp_printk_prog"
    skeleton = PrintkBpf
    settings = (
        Number("one_in", 1, "log one packet in so many, chosen at random", "number of packets", 1, 2**32 - 1),
    )
    counters = CounterTable("printk_counters", "printk_counter")

    def configure(self, new: Object, interface: str) -> None:
        """Set the interface's name, and whether the kernel prints addresses."""
        super().configure(new, interface)
        fixed = PrintkBpf(new).fixed
        fixed.interface = interface.encode()
        fixed.has_vprintk = has_vprintk() is Answer.YES


def has_vprintk() -> Answer:
    """Whether this kernel prints more than three arguments (Linux 5.16, 10aceb629e19)."""
    return probe_helper(PROG_XDP, _BPF_FUNC_TRACE_VPRINTK)
