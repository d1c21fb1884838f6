"""``xdp_bypass_ipvs``: the classic command for `ecbpf fastpath`."""

from __future__ import annotations

import argparse
import contextlib
import sys

from ecbpf.cli.fastpath.arguments import ADDRS_IFS, count
from ecbpf.cli.main import run
from ecbpf.cli.parser import STATSD_HOST, Parser, seconds
from ecbpf.errors import UsageError
from ecbpf.fastpath.settings import TABLE
from ecbpf.metrics.statsd import DEFAULT_PORT

__all__ = ["build_parser", "main"]

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecbpf.chain.change import Change
    from ecbpf.fastpath.addresses import AddressChange
    from ecbpf.subprogram.settings import Values

_SWITCH = ("off", "on")


def build_parser() -> Parser:
    """The command line."""
    parser = Parser(prog="xdp_bypass_ipvs", description="send established flows past IPVS: slot 7 and tc egress")
    verbs = parser.add_mutually_exclusive_group()
    verbs.add_argument("-L", "--load", action="store_true", help="load, or replace a loaded one and keep flows")
    verbs.add_argument("-U", "--unload", action="store_true", help="unload from -i and -o, or from all interfaces")
    parser.add_argument("-i", "--inbound-ifs", metavar="IFACES", help="where clients' packets come in")
    parser.add_argument("-o", "--outbound-ifs", metavar="IFACES", help="where IPVS sends to servers")
    parser.add_argument("-a", "--addrs-ifs", metavar="IFACES", help=ADDRS_IFS)
    parser.add_argument(
        "-e", "--excluded-addrs", metavar=("add|del", "A,B"), nargs=2, help="leave these to IPVS, or no longer"
    )
    parser.add_argument("-B", "--display-excluded-addrs", action="store_true", help="print the excluded addresses")
    parser.add_argument("-v", "--vlan", metavar="N", help="VLAN of the servers; -1: the one that IPVS uses")
    parser.add_argument("-M", "--monitor-mode", choices=_SWITCH, help="count decisions but divert nothing")
    parser.add_argument("-l", "--limit-rates", choices=_SWITCH, help="drop packets above the limits")
    parser.add_argument("-R", "--redirect-mode", choices=_SWITCH, help="send by the interface that IPVS uses")
    parser.add_argument("-T", "--skb-mode", action="store_true", help="with -p off: in generic mode")
    parser.add_argument(
        "-p", "--program-array-mode", choices=_SWITCH, default="on", help="off: attach the root array too"
    )
    parser.add_argument(
        "-r", "--inactive-seconds-xdp", metavar="SECONDS", help="idle time that ends a flow, 1 to 900 (60)"
    )
    parser.add_argument(
        "-s", "--sample-seconds-ipvs", metavar="SECONDS", help="IPVS sees one packet of a flow per SECONDS (1)"
    )
    parser.add_argument(
        "-c", "--cpus-rx-rps", metavar="RX[,RPS]", help="CPUs that receive; CPUs that run the network stack"
    )
    parser.add_argument("-m", "--max-resets-pps", metavar="N", help="RSTs to clients per second (4000)")
    parser.add_argument(
        "-t",
        "--inbound-pps",
        metavar="PPS[+SPIKE[+MAX]]",
        help="inbound limit, and percentages above it (8000000+5+50)",
    )
    parser.add_argument(
        "-w", "--wrap-packets-count", metavar="N", help="packets between two measurements of the rate (4096)"
    )
    parser.add_argument("--udp", action="store_const", const="on", help="UDP flows too")
    parser.add_argument(
        "--decrement-ttl", action="store_const", const="on", help="lower the TTL, as a router does"
    )
    parser.add_argument(
        "-F",
        "--force",
        action="store_true",
        help="accept a -v that this host has no interface for; with -p off: replace programs that are not ours",
    )
    parser.add_argument("-P", "--parameters-display", action="store_true", help="print settings and addresses")
    parser.add_argument(
        "-S", "--statistics", metavar=("SECONDS", "COUNT"), nargs="*", help="print counts, or rates every SECONDS"
    )
    parser.add_argument(
        "-f", "--flows-display-tcp", action="store_true", help="print the flows; with -S, each time"
    )
    parser.add_argument(
        "-z", "--statsd-enable", action="store_true", help="send the counts to statsd until stopped"
    )
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def main() -> int:
    """Run the command; returns its exit status."""
    return run(lambda: _act(build_parser().parse_args()), debug="--debug" in sys.argv)


def _act(options: argparse.Namespace) -> int:
    from ecbpf.cli.fastpath import commands

    settings = _settings(options)
    _check(options, settings)
    addresses = _addresses(options)
    repetition = _repetition(options.statistics or [])
    ingress, egress = (commands.interfaces_in(text) for text in (options.inbound_ifs, options.outbound_ifs))
    if options.load:
        with _roots(options, ingress) as done:
            commands.attach(ingress, egress, settings, addresses, force=options.force, before=done)
    elif options.unload:
        commands.detach(ingress, egress)
    elif settings or options.excluded_addrs:
        commands.change(settings, addresses if options.excluded_addrs else None, force=options.force)
    _show(options, *repetition)
    if options.statsd_enable:
        commands.serve((STATSD_HOST, DEFAULT_PORT))
    return 0


@contextlib.contextmanager
def _roots(options: argparse.Namespace, interfaces: list[str]) -> Iterator[list[Change]]:
    """With -p off: attach missing root arrays, and undo that if the block fails. Yields the changes."""
    from ecbpf.chain.attach import attach, check_attach, give_back
    from ecbpf.chain.occupant import look
    from ecbpf.chain.pins import locked

    done: list[Change] = []
    how = {"generic": options.skb_mode, "force": options.force}
    with locked(), contextlib.ExitStack() as undo:
        there = {interface: look(interface) for interface in interfaces if options.program_array_mode == "off"}
        bare = {name: occupant for name, occupant in there.items() if occupant is None or not occupant.is_root}
        for interface in bare:
            check_attach(interface, **how)
        for interface, occupant in bare.items():
            done.append(attach(interface, **how))
            undo.callback(give_back, interface, occupant)
        yield done
        undo.pop_all()


def _show(options: argparse.Namespace, pause: float | None, times: int | None) -> None:
    from ecbpf.cli.fastpath import commands

    if options.display_excluded_addrs:
        commands.show_excluded()
    if options.parameters_display:
        commands.show_status(counters=False)
    if pause is not None:
        commands.watch(pause, times, flows=options.flows_display_tcp)
        return
    if options.statistics is not None:
        commands.show_counters()
    if options.flows_display_tcp:
        commands.show_flows()


def _repetition(words: list[str]) -> tuple[float | None, int | None]:
    if len(words) > 2:
        raise UsageError("-S", f"{len(words)} numbers", "-S [SECONDS [COUNT]]")
    try:
        return (seconds(words[0]) if words else None, count(words[1]) if len(words) > 1 else None)
    except argparse.ArgumentTypeError as error:
        raise UsageError("-S", str(error), "-S [SECONDS [COUNT]]") from None


def _addresses(options: argparse.Namespace) -> AddressChange:
    from ecbpf.cli.fastpath import commands

    what, text = options.excluded_addrs or ("add", "")
    if what.lower() not in ("add", "del", "delete"):
        raise UsageError(f"-e {what}", "neither add nor del", "-e add A,B or -e del A,B")
    texts = [text] if options.excluded_addrs else []
    is_add = what.lower() == "add"
    return commands.addresses_in(
        excluded=texts if is_add else [], included=[] if is_add else texts, interfaces=options.addrs_ifs
    )


def _settings(options: argparse.Namespace) -> Values:
    given = vars(options)
    named = {row.name: given[row.flag.strip("-").replace("-", "_")] for row in TABLE.rows.values() if row.flag}
    if options.cpus_rx_rps is not None:
        rx, comma, rps = options.cpus_rx_rps.partition(",")
        named |= {"rx_cpus": rx, "rps_cpus": rps if comma else None}
    return TABLE.parse(f"{name}={value}" for name, value in named.items() if value is not None)


def _check(options: argparse.Namespace, settings: Values) -> None:
    """Raise UsageError for flags that do not go together."""
    shows = (
        options.display_excluded_addrs
        or options.parameters_display
        or options.statistics is not None
        or options.flows_display_tcp
        or options.statsd_enable
    )
    changes = bool(settings or options.excluded_addrs)
    if options.unload and (changes or options.addrs_ifs):
        raise UsageError("xdp_bypass_ipvs", "-U goes with -i and -o alone")
    if options.unload and shows:
        raise UsageError("xdp_bypass_ipvs", "after -U there is nothing to show")
    if not (options.load or options.unload) and (options.inbound_ifs or options.outbound_ifs or options.addrs_ifs):
        raise UsageError("xdp_bypass_ipvs", "-i, -o and -a go with -L or -U")
    if options.program_array_mode == "off" and not options.load:
        raise UsageError("xdp_bypass_ipvs", "-p off goes with -L")
    if options.skb_mode and options.program_array_mode == "on":
        raise UsageError("xdp_bypass_ipvs", "-T goes with -p off", "the root array decides the mode")
    if not (options.load or options.unload or changes or shows):
        raise UsageError("xdp_bypass_ipvs", "nothing to do", "see xdp_bypass_ipvs --help")
