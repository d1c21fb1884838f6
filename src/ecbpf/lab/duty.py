"""What a node does besides having interfaces."""

from typing import Protocol

__all__ = ["Duty"]


class Duty(Protocol):
    """Something in a namespace that `up` starts and `down` ends."""

    def problems(self, namespace: str) -> list[str]:
        """What of it is not there, in words; changes nothing."""

    def start(self, namespace: str) -> None:
        """Set up what of it is not there. Raises EcbpfError."""

    def stop(self, namespace: str) -> None:
        """End what would outlive the namespace. Raises EcbpfError."""
