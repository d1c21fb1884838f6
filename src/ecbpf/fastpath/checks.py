"""What would make packets vanish is refused before it is done."""

from __future__ import annotations

from collections.abc import Collection

from ecbpf.chain.occupant import look
from ecbpf.errors import DataError, EcbpfError
from ecbpf.fastpath.settings import TABLE, check_together
from ecbpf.netdev.links import NetLink, egress_of, links
from ecbpf.subprogram.settings import Values

__all__ = ["check_nic", "check_settings", "egress_without_clients"]


def check_settings(
    before: Values,
    wanted: Values,
    ingress: list[str],
    egress: list[str],
    *,
    added: Collection[str] = (),
    force: bool = False,
) -> None:
    """Raise what is wrong with a change of settings, for a fast path on these interfaces.

    before: settings as they are. added: the interfaces that are new to it. What is neither new nor to change was
    checked earlier, and must not block a change that helps. force: allow a VLAN that this host has no interface
    for. Raises UsageError (numbers that contradict each other), DataError (no such VLAN), EcbpfError.
    """
    after = TABLE.defaults | before | wanted
    check_together(after)
    if after["vlan"] != -1 and not force:
        _check_vlan(int(after["vlan"]), [name for name in ingress if "vlan" in wanted or name in added])
    if after["redirect"]:
        _check_targets([name for name in egress if "redirect" in wanted or name in added])


def check_nic(nic: NetLink) -> None:
    """Raise DataError for a VLAN device: XDP needs packets as they are on the wire, with the VLAN tag."""
    if nic.kind == "vlan":
        why = "a VLAN device: its packets come in by the NIC below it"
        raise DataError(nic.name, why, f"-i {nic.parent or 'that NIC'}")


def egress_without_clients(settings: Values, ingress: list[str], egress: list[str]) -> list[str]:
    """The interfaces of `egress` where flows are left to IPVS: client packets do not come in there.

    XDP_TX sends by the NIC that a packet came in by; `redirect` and `vlan` do not. settings: all of them.
    """
    if settings["redirect"] or settings["vlan"] != -1:
        return []
    every = links()
    with_clients = {egress_of(interface, every).ifindex for interface in ingress}
    return [interface for interface in egress if egress_of(interface, every).ifindex not in with_clients]


def _check_vlan(vlan: int, interfaces: list[str]) -> None:
    """A VLAN that this host has an interface for most likely exists at its switch; any other is a typing error."""
    every = links()
    known = {
        (egress_of(link.parent, every).ifindex, link.vlan)
        for link in every.values()
        if link.kind == "vlan" and link.parent and every[link.parent].kind != "vlan"
    }
    for interface in interfaces:
        if (egress_of(interface, every).ifindex, vlan) not in known:
            raise DataError(
                f"vlan={vlan}",
                f"this host has no such VLAN on {interface}",
                f"ip link add link {interface} name {interface}.{vlan} type vlan id {vlan}; or --force",
            )


def _check_targets(interfaces: list[str]) -> None:
    """Drivers send redirected packets only if an XDP program runs on their own NIC too."""
    every = links()
    names = {link.ifindex: link.name for link in every.values()}
    for interface in interfaces:
        nic = names[egress_of(interface, every).ifindex]
        if look(nic) is None:
            raise EcbpfError(
                nic,
                "redirect=on, and no XDP program here: the driver may drop redirected packets",
                f"ecbpf attach {nic}",
            )
