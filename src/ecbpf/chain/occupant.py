"""What the kernel runs on an interface: our root array, nop, a program that is not ours, or nothing."""

import errno

from ecbpf.errors import EcbpfError, KernelError
from ecbpf.kernel.descriptor import descriptor_by_id
from ecbpf.kernel.map import Map, kernel_name, open_map
from ecbpf.kernel.program import Program
from ecbpf.kernel.uapi import MAP_PROG_ARRAY
from ecbpf.kernel.xdp import (
    XdpLink,
    detach_by_netlink,
    find_links,
    query,
    replace_by_netlink,
)
from ecbpf.netdev.interfaces import index_of

__all__ = [
    "NOP_PROGRAM",
    "ROOT_PROGRAM",
    "Occupant",
    "find_root",
    "kernel_name",
    "look",
    "maps_of",
    "require_root",
]

ROOT_PROGRAM, NOP_PROGRAM = "xdp_root_prog", "xdp_nop_prog"
_ATTEMPTS = 100


class Occupant:
    """The program on an interface."""

    def __init__(self, interface: str, ifindex: int, program: Program, mode: str) -> None:
        """program: owned by this object from now on. mode: as in kernel.xdp."""
        self.interface = interface
        self.ifindex = ifindex
        self.program = program
        self.mode = mode
        self._maps: dict[str, Map] | None = None

    @property
    def maps(self) -> dict[str, Map]:
        """The maps of the program: see maps_of()."""
        if self._maps is None:
            self._maps = maps_of(self.program)
        return self._maps

    @property
    def program_array(self) -> Map:
        """The eight slots of a root array. By its name: the skeleton would cost a status command 2 ms."""
        return self.maps[kernel_name("xdp_program_array")]

    @property
    def stats(self) -> Map:
        """The counts of a root array."""
        return self.maps["xdp_stats"]

    @property
    def is_root(self) -> bool:
        """Whether this is our root array, of any version."""
        array = self.maps.get("xdp_program_arr") if self.program.name == ROOT_PROGRAM else None
        return array is not None and array.info.type == MAP_PROG_ARRAY and "xdp_stats" in self.maps

    @property
    def is_nop(self) -> bool:
        """Whether this is nop, our program that passes everything."""
        return self.program.name == NOP_PROGRAM

    @property
    def is_ours(self) -> bool:
        """Whether this may be replaced without --force."""
        return self.is_nop or self.is_root

    def link(self) -> XdpLink | None:
        """The link that holds the program here, None if it was attached by netlink.

        Raises EcbpfError if it could be either of two links in different network namespaces.
        """
        links = find_links(self.program.id, self.ifindex)
        if len(links) > 1:
            raise EcbpfError(
                self.interface,
                f"program {self.program.id} is on two interfaces with the same index, in two namespaces",
                "its owner has to detach it",
            )
        return links[0] if links else None

    def describe(self) -> str:
        """Its id, name, mode, and how it is attached, for an error or a status line."""
        links = find_links(self.program.id, self.ifindex)
        how = f"by link {links[0].info.id}" if links else "by netlink"
        return f"XDP program {self.program.id} ({self.program.name or 'no name'}), {self.mode}, attached {how}"

    def replace(self, program: Program) -> None:
        """Replace this program by `program` atomically, by link or netlink as this one is attached.

        Raises KernelError.
        """
        # netlink first: it fails with EBUSY if a link holds the interface. If we looked for a link first, we could
        # find one of an interface with the same index in another namespace.
        try:
            replace_by_netlink(self.ifindex, program, self.program, self.mode)
        except KernelError as error:
            self._link_in_the_way(error).update(program, self.program)

    def take_off(self) -> None:
        """Leave the interface without a program. Raises KernelError."""
        try:
            detach_by_netlink(self.ifindex, self.program, self.mode)
        except KernelError as error:
            self._link_in_the_way(error).detach()

    def _link_in_the_way(self, error: KernelError) -> XdpLink:
        """The link that made netlink fail with EBUSY; raises `error` again if that was not the reason."""
        link = self.link() if error.errno == errno.EBUSY else None
        if link is None:
            raise error
        return link


def look(interface: str) -> Occupant | None:
    """What runs on the interface, None if nothing does. Raises DataError (no such interface), KernelError."""
    ifindex = index_of(interface)
    for _ in range(_ATTEMPTS):
        attached = query(ifindex)
        if attached is None:
            return None
        fd = descriptor_by_id("prog", attached.program_id)
        # The program may have been replaced and freed between the two calls: look again.
        if fd is not None:
            return Occupant(interface, ifindex, Program(fd), attached.mode)
    raise EcbpfError(interface, "its XDP program keeps changing", "stop the program that changes it")


def find_root(interface: str) -> Occupant:
    """The root array on the interface. Raises EcbpfError if there is none, DataError, KernelError."""
    return require_root(interface, look(interface))


def require_root(interface: str, occupant: Occupant | None) -> Occupant:
    """Returns `occupant` if it is a root array. Raises EcbpfError if not."""
    if occupant is None or not occupant.is_root:
        raise EcbpfError(interface, "no root array attached", f"attach one: ecbpf attach {interface}")
    return occupant


def maps_of(program: Program) -> dict[str, Map]:
    """The maps that a running program uses, by kernel_name(). Raises KernelError."""
    found: dict[str, Map] = {}
    for map_id in program.map_ids():
        map_ = open_map(map_id)
        found[kernel_name(map_.name)] = map_
    return found
