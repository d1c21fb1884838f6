"""printk as a subprogram: the example for one of your own (docs/subprogram.md)."""

from ecbpf.chain.subprogram import Subprogram
from ecbpf.kernel.object import Object
from ecbpf.kernel.probe import Answer, probe_helper
from ecbpf.kernel.uapi import PROG_XDP
from ecbpf.objects.printk import PrintkBpf

__all__ = ["SLOT", "Printk", "has_vprintk"]

SLOT = 6
_BPF_FUNC_TRACE_VPRINTK = 177


class Printk(Subprogram):
    """Logs every packet that reaches slot 6."""

    name = "printk"
    slot = SLOT
    skeleton = PrintkBpf

    def configure(self, new: Object, interface: str) -> None:
        """Set the interface's name, and whether the kernel prints addresses."""
        fixed = PrintkBpf(new).fixed
        fixed.interface = interface.encode()
        fixed.has_vprintk = has_vprintk() is Answer.YES


def has_vprintk() -> Answer:
    """Whether this kernel prints more than three arguments (Linux 5.16, 10aceb629e19)."""
    return probe_helper(PROG_XDP, _BPF_FUNC_TRACE_VPRINTK)
