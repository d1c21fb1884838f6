"""What a node does besides having interfaces: run a server, set up IPVS."""

from typing import Protocol

__all__ = ["Duty"]


class Duty(Protocol):
    """Something in a namespace that `ecbpf lab up` starts and `ecbpf lab down` ends."""

    def problems(self, namespace: str) -> list[str]:
        """What is missing, one text each. Changes nothing."""

    def start(self, namespace: str) -> None:
        """Set up what is missing. Raises EcbpfError."""

    def stop(self, namespace: str) -> None:
        """End what would outlive the namespace. Raises EcbpfError."""
