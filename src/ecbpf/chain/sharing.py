"""How a new version of a program takes over the maps of the running one.

The maps of the chain are always shared, and must have the same shape in both versions. A program's own maps are
shared if name and shape agree. Its global variables stay in the same memory if both versions lay them out alike;
if not they are copied by name, so that changed settings survive an upgrade.
"""

from collections.abc import Collection

from ecbpf.errors import EcbpfError
from ecbpf.kernel.globals import map_globals
from ecbpf.kernel.map import Map, kernel_name
from ecbpf.kernel.object import Object

__all__ = ["CHAIN_MAPS", "frags_of", "share_chain", "share_own"]

# The maps of chain.h and sample.h, as the object files name them.
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

    all_of_them: a subprogram needs every map that it names; a newer root may have some that the running one lacks.
    Raises EcbpfError if the version of the root array does not fit.
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
    """Give `new` the own maps and variables of the running version of the same program. Raises KernelError.

    but: maps that it does not take over.
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
    """Whether a running program is multi-buffer (xdp.frags): all programs of a chain are, or none."""
    constants = running.get(".rodata")
    return constants is not None and bool(getattr(map_globals(constants), "chain_frags", False))


def _layout(section: Map) -> list[tuple[str, int, int]]:
    assert section.btf is not None  # maps_of() named it by its BTF
    return section.btf.layout(section.btf.types[section.info.btf_value_type_id])
