"""Interfaces of the network namespace that this process is in."""

from ecbpf.netdev.interfaces import ethernet_names, index_of, names, parse_list

__all__ = ["ethernet_names", "index_of", "names", "parse_list"]
