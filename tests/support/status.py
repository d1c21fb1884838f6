"""What a test asks a root array about."""

from ecbpf.chain.status import RootStatus, status

__all__ = ["root_status"]


def root_status(interface: str) -> RootStatus:
    """The root array that is on the interface."""
    (state,) = status([interface])
    assert state.interface == interface
    assert state.root is not None
    return state.root
