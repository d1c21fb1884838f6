"""The filter as a subprogram of slot 2: its settings, counters and maps."""

from ecbpf.chain.occupant import maps_of
from ecbpf.kernel.object import Object
from ecbpf.objects.filter import FilterBpf
from ecbpf.subprogram.base import StatefulSubprogram
from ecbpf.subprogram.counters import CounterTable
from ecbpf.subprogram.settings import Number, Switch

__all__ = ["SLOT", "Filter"]

SLOT = 2


class Filter(StatefulSubprogram):
    """Drops listed sources, malformed headers and fragments."""

    name = "filter"
    command = "ecbpf filter"
    slot = SLOT
    program = "xdp_filter_prog"
    skeleton = FilterBpf
    settings = (
        Switch("frags_drop", True, "drop fragments", flag="--frags-drop"),
        Switch("ptb_send", True, "answer first IPv4 fragments by Packet Too Big"),
        Number(
            "ptb_max_pps",
            20,
            "limit of these answers, per CPU and second",
            "number of packets per second",
            0,
            2**32 - 1,
            lowest="off",
            flag="--ptb-max-pps",
        ),
        Switch("frags_pass_local", True, "let fragments to this host's own addresses pass"),
        Switch("ip_options_drop", True, "drop IPv4 packets with options"),
        Switch("ip_evil_drop", True, "drop IPv4 packets with the reserved flag (RFC 3514)"),
        Switch("ip_header_abort", True, "abort IPv4 packets that cannot be parsed"),
        Switch("ip6_header_drop", True, "drop IPv6 packets that cannot be parsed"),
    )
    counters = CounterTable("filter_stats", "filter_counter")
    maps = ("filter_ip4", "filter_ip6", "filter_lists", "filter_local")
    # The indices are built again from the lists: their layout differs between versions.
    fresh_maps = ("filter_ip4", "filter_ip6")

    def loaded(self, new: Object) -> None:
        """Build the indices of the lists that it takes over, and store this host's addresses."""
        # numpy and psutil, which no other verb of every subprogram needs
        from ecbpf.filter.local import update_local  # noqa: PLC0415
        from ecbpf.filter.sets import Sets  # noqa: PLC0415

        loaded = FilterBpf(new)
        program = loaded.programs.xdp_filter_prog
        program.bind_map(loaded.maps.filter_lists)
        Sets(maps_of(program)).rebuild()
        update_local(loaded.maps.filter_local)
