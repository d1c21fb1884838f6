"""How a new version of a program goes on with the maps of the running one.

The maps of the chain are shared always, and must have the shape that both versions know. A program's own
maps are shared where name and shape agree; its global variables live on in the same memory if they lie
alike in both, and are copied by name if not, so that a changed configuration survives an upgrade.
"""

from collections.abc import Collection

from ecbpf.errors import EcbpfError
from ecbpf.kernel.globals import map_globals
from ecbpf.kernel.map import Map, kernel_name
from ecbpf.kernel.object import Object

__all__ = ["CHAIN_MAPS", "frags_of", "share_chain", "share_own"]

# What chain.h and sample.h define, as the object files call them.
CHAIN_MAPS = (
    "xdp_program_array",
    "xdp_stats",
    "xdpcap_hook",
    "xdp_sample",
    "xdp_sample_hook",
    ".data.chain",
)


def share_chain(new: Object, running: dict[str, Map], interface: str, *, all_of_them: bool) -> None:
    """Give `new` the chain's maps of a running root array.

    all_of_them: a subprogram needs each that it knows; a newer root may bring some that the older one lacked.
    Raises EcbpfError if the root array is of a version that does not fit.
    """
    for name in CHAIN_MAPS:
        if name not in new.map_names:
            continue
        existing = running.get(kernel_name(name))
        if existing is None:
            if all_of_them:
                raise EcbpfError(
                    interface,
                    f"its root array is of another version: it has no map {name}",
                    f"upgrade it in place: ecbpf attach {interface}",
                )
        elif existing.shape != new.map_shape(name):
            raise EcbpfError(
                interface,
                f"its root array is of another version: map {name} has another shape",
                f"ecbpf detach {interface}, attach, and load the subprograms again",
            )
        else:
            new.share_map(name, existing)


def share_own(new: Object, running: dict[str, Map], but: Collection[str] = ()) -> None:
    """Give `new` what the running version of the same program has of its own. Raises KernelError.

    but: maps that are not taken over.
    """
    for name in new.map_names:
        if name in CHAIN_MAPS or name in but:
            continue
        section = kernel_name(name)
        existing = running.get(section)
        if existing is None or section.startswith((".rodata", ".kconfig")):
            continue
        if section.startswith(".") and not existing.info.btf_value_type_id:
            continue
        if not section.startswith("."):
            if existing.shape == new.map_shape(name):
                new.share_map(name, existing)
        elif new.section_layout(section) == _layout(existing):
            new.share_map(name, existing)
        else:
            new.globals.adopt(map_globals(existing))


def frags_of(running: dict[str, Map]) -> bool:
    """Whether a running program takes packets of several buffers: all programs of a chain do, or none."""
    constants = running.get(".rodata")
    return constants is not None and bool(getattr(map_globals(constants), "chain_frags", False))


def _layout(section: Map) -> list[tuple[str, int, int]]:
    assert section.btf is not None  # maps_of() named it by its BTF
    return section.btf.layout(section.btf.types[section.info.btf_value_type_id])
