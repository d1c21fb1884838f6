"""What tests read from a root array."""

from ecbpf.chain.status import RootStatus, status

__all__ = ["root_status"]


def root_status(interface: str) -> RootStatus:
    """The root array on the interface."""
    (state,) = status([interface])
    assert state.interface == interface
    assert state.root is not None
    return state.root
