"""What would make packets vanish is refused before it is done."""

from __future__ import annotations

from collections.abc import Collection

from ecbpf.chain.occupant import look
from ecbpf.chain.settings import Settings
from ecbpf.errors import DataError, EcbpfError
from ecbpf.fastpath.settings import DEFAULTS, check_together
from ecbpf.netdev.links import NetLink, links, port_of

__all__ = ["check_nic", "check_settings", "doubts"]


def check_settings(
    before: Settings,
    wanted: Settings,
    ingress: list[str],
    egress: list[str],
    *,
    added: Collection[str] = (),
    force: bool = False,
) -> None:
    """Raise what is wrong with a change of settings, for a fast path on these interfaces.

    before: settings as they are. added: the interfaces among them that are new to it; what is neither new nor to
    change was looked at when it was, and must not stand in the way of what helps. force: let a VLAN be that this
    host does not know. Raises UsageError (numbers that do not go together), DataError (no such VLAN), EcbpfError.
    """
    after = DEFAULTS | before | wanted
    check_together(after)
    if after["vlan"] != -1 and not force:
        _check_vlan(int(after["vlan"]), [name for name in ingress if "vlan" in wanted or name in added])
    if after["redirect"]:
        _check_targets([name for name in egress if "redirect" in wanted or name in added])


def check_nic(nic: NetLink) -> None:
    """Raise DataError if packets do not come in there as they are on the wire: a VLAN device hides the tag."""
    if nic.kind == "vlan":
        raise DataError(
            nic.name, "a VLAN device, whose packets come in by its NIC", f"-i {nic.parent or 'its NIC'}"
        )


def doubts(settings: Settings, ingress: list[str], egress: list[str]) -> list[str]:
    """What does no harm and is not what one may think, a line each. settings: all of them."""
    if settings["redirect"] or settings["vlan"] != -1:
        return []
    every = links()
    ports = {port_of(interface, every)[0] for interface in ingress}
    return [
        f"{interface}: no packets of clients come in by it, so flows that IPVS sends by it are left to IPVS; "
        f"see redirect and vlan in docs/fastpath.md"
        for interface in egress
        if port_of(interface, every)[0] not in ports
    ]


def _check_vlan(vlan: int, interfaces: list[str]) -> None:
    """A VLAN that this host has an interface for exists at its switch, most likely; any other is a slip."""
    every = links()
    known = {
        (port_of(link.parent, every)[0], link.vlan)
        for link in every.values()
        if link.kind == "vlan" and link.parent and every[link.parent].kind != "vlan"
    }
    for interface in interfaces:
        if (port_of(interface, every)[0], vlan) not in known:
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
        nic = names[port_of(interface, every)[0]]
        if look(nic) is None:
            raise EcbpfError(
                nic,
                "redirect=on, and no XDP program there: its driver may drop what it is to send",
                f"ecbpf attach {nic}",
            )
