"""A director's duty: set a firewall mark on packets to some addresses, with nft."""

from dataclasses import dataclass

from ecbpf.errors import EcbpfError
from ecbpf.lab.namespace import run_in

__all__ = ["Marks"]

_TABLE = "inet ecbpf_lab"


@dataclass(frozen=True)
class Marks:
    """TCP and UDP packets to `ip4` or `ip6` get `mark`, before they are routed."""

    mark: int
    ip4: str
    ip6: str

    def problems(self, namespace: str) -> list[str]:
        """Whether the table is missing; nft makes it whole or not at all."""
        try:
            run_in(namespace, "nft", "list", "table", *_TABLE.split())
        except EcbpfError:
            return [f"nft has no table {_TABLE}, which sets the mark {self.mark}"]
        return []

    def start(self, namespace: str) -> None:
        """Make the table, or replace it."""
        rules = (
            f"{family} daddr {vip} meta l4proto {{ tcp, udp }} meta mark set {self.mark};"
            for family, vip in (("ip", self.ip4), ("ip6", self.ip6))
        )
        chain = ["chain prerouting {", "type filter hook prerouting priority mangle;", *rules, "}"]
        # An empty table first, so that there is one to delete; the kernel accepts all three or none.
        script = [f"table {_TABLE} {{ }}", f"delete table {_TABLE}", f"table {_TABLE} {{", *chain, "}"]
        run_in(namespace, "nft", "-f", "-", script=script)

    def stop(self, namespace: str) -> None:
        """Nothing: the table ends with its namespace."""
