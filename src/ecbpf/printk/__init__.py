"""The debug printer: slot 6 logs a line a packet to the trace pipe and passes it on."""

from ecbpf.printk.subprogram import SLOT, Printk

__all__ = ["SLOT", "Printk"]
