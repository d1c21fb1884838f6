"""The debug printer: slot 6 logs one line per packet to the trace pipe and passes it on."""

from ecbpf.printk.subprogram import SLOT, Printk

__all__ = ["SLOT", "Printk"]
