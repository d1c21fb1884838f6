"""A director's duty: IPVS services, with ipvsadm."""

from dataclasses import dataclass

from ecbpf.lab.namespace import run_in

__all__ = ["Ipvs", "Service"]


@dataclass(frozen=True)
class Service:
    """A virtual service and its real servers, in direct routing.

    key: the service in `ipvsadm`'s arguments, for instance ``-t 192.168.60.1:80`` or ``-f 60 -6``.
    scheduler: with its flags, if any. servers: addresses with their ports.
    """

    key: str
    scheduler: str
    servers: tuple[str, ...]

    def rules(self) -> list[str]:
        """The lines that make it, as `ipvsadm -R` reads them."""
        lines = [f"-A {self.key} -s {self.scheduler}"]
        return lines + [f"-a {self.key} -r {server} -g -w 1" for server in self.servers]


@dataclass(frozen=True)
class Ipvs:
    """All services of a director. Users may change weights: a server with weight 0 is not missing."""

    services: tuple[Service, ...]

    def problems(self, namespace: str) -> list[str]:
        """Services and real servers that IPVS lacks."""
        found = _found(namespace)
        return [f"IPVS lacks {' '.join(_key(rule)[1])}" for rule in self._rules() if _key(rule) not in found]

    def start(self, namespace: str) -> None:
        """Add what is missing; services and servers that IPVS already has stay as they are."""
        found = _found(namespace)
        missing = [rule for rule in self._rules() if _key(rule) not in found]
        if missing:
            run_in(namespace, "ipvsadm", "-R", script=missing)

    def stop(self, namespace: str) -> None:
        """Nothing: services end with their namespace."""

    def _rules(self) -> list[str]:
        return [rule for service in self.services for rule in service.rules()]


def _found(namespace: str) -> set[tuple[str, tuple[str, ...]]]:
    """The keys of all rules that IPVS has now."""
    return {_key(rule) for rule in run_in(namespace, "ipvsadm", "-Sn").splitlines()}


def _key(rule: str) -> tuple[str, tuple[str, ...]]:
    """What identifies a rule: its command (-A, -a), its service and, for -a, its server."""
    words = rule.split()
    verb, rest = words[0], words[1:]
    end = rest.index("-s") if verb == "-A" else rest.index("-r") + 2
    return verb, tuple(rest[:end])
