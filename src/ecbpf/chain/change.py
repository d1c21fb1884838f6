"""What a verb did to an interface."""

from dataclasses import dataclass

__all__ = ["Change"]


@dataclass(frozen=True)
class Change:
    """One change that packets can see.

    subject: what was changed: "root array", "nop", "egress program", or the name of a subprogram.
    action: "attached", "replaced", "detached" or "emptied" (a slot).
    slot: of a subprogram. mode: "native" or "generic"; of an egress program "tcx" or "clsact"; "" for subprograms.
    in_place_of: the name of another program that was there before, "" for none.
    """

    interface: str
    subject: str
    action: str
    slot: int | None = None
    mode: str = ""
    in_place_of: str = ""
