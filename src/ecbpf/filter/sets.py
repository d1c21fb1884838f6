"""The sets of a running filter: read what is listed, and replace the sets as a whole.

A bank (bpf/filter/sets.h) has one index per family and the lists they were built from. A change fills the bank
that packets do not read, and then adds 1 to filter_generation, whose last bit names the bank that they read: that
store is the change, for both families and the lists at once. A command that is killed before it leaves the old
sets, after it the new ones.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from ecbpf.errors import EcbpfError, KernelError, kernel_error
from ecbpf.filter.cover import disjoint, subtract
from ecbpf.filter.ip4_index import build_ip4
from ecbpf.filter.ip6_index import build_ip6
from ecbpf.filter.lists import ALLOW, DROP, Lists
from ecbpf.filter.prefix import NAMES, Rows
from ecbpf.filter.rows import same_prefixes
from ecbpf.kernel.btf import Btf
from ecbpf.kernel.map import Map, open_map
from ecbpf.kernel.uapi import BPF_F_INNER_MAP, BPF_F_MMAPABLE, MAP_ARRAY
from ecbpf.objects.filter import FilterBpf

__all__ = ["Sets"]

_FORMAT = 1  # the FILTER_FORMAT that the builders below make
_PAGE = 4096  # FILTER_PAGE
_BUILD: dict[int, Callable[[Rows, Any, Btf], None]] = {4: build_ip4, 6: build_ip6}


class Sets:
    """The sets of one filter program, running or about to run."""

    def __init__(self, maps: dict[str, Map]) -> None:
        """maps: the program's, as chain.occupant.maps_of() names them."""
        known = FilterBpf.Maps(maps)
        self._lists = known.filter_lists
        self._indices = {4: known.filter_ip4, 6: known.filter_ip6}
        self._live = FilterBpf.Live(maps)
        btf = maps[".rodata"].btf  # the program's own; a map that it took over from another version has that one's
        assert btf is not None  # libbpf loads no constants without
        self._btf = btf

    def read(self) -> Lists:
        """The lists as they are now. Raises DataError (written by another version), KernelError."""
        while True:
            generation = self._live.filter_generation
            lists = self._read_bank(generation % 2)
            # If a change came in between, read again.
            if generation == self._live.filter_generation:
                return lists or Lists.empty()

    def _read_bank(self, bank: int) -> Lists | None:
        number = self._lists.get(bank)
        if number is None:
            return None
        try:
            with open_map(number) as pages:
                return Lists.read(pages.memory())
        except KernelError as error:
            if error.errno == errno.ENOENT:  # gone between the two calls
                return None
            raise

    def change(self, lists: Lists, before: Lists) -> None:
        """Replace `before`, which read() returned, by `lists`. Under the lock; raises as prepare()."""
        self.prepare(lists, before)
        self.commit()

    def prepare(self, lists: Lists, before: Lists) -> None:
        """Fill the bank that no packet reads, for commit(). If that fails, it is empty again.

        Raises EcbpfError if the program is of another version, KernelError.
        """
        bank = (self._live.filter_generation + 1) % 2
        self._empty(bank)
        try:
            if lists.count(DROP) or lists.count(ALLOW):
                _put(self._lists, bank, _pages(lists.compacted()))
            for family, outer in self._indices.items():
                kinds = ((lists.rows[kind, family], before.rows[kind, family]) for kind in (DROP, ALLOW))
                if all(same_prefixes(*each) for each in kinds):
                    number = outer.get(1 - bank)
                    _put(outer, bank, None if number is None else open_map(number))
                else:
                    _put(outer, bank, self._index(lists, family))
        except BaseException:
            self._empty(bank)
            raise

    def commit(self) -> None:
        """Let packets meet the sets that prepare() built, and free the old ones. Raises KernelError."""
        generation = self._live.filter_generation
        self._live.filter_generation = (generation + 1) % (1 << 32)
        self._empty(generation % 2)

    def discard(self) -> None:
        """Free what prepare() built."""
        self._empty((self._live.filter_generation + 1) % 2)

    def rebuild(self) -> None:
        """Build the indices of a program that no packet meets yet, from the lists that it took over.

        Raises as prepare().
        """
        lists = self.read()
        for family, outer in self._indices.items():
            _put(outer, self._live.filter_generation % 2, self._index(lists, family))

    def _empty(self, bank: int) -> None:
        """Leave nothing in a bank.

        The lists first: no packet reads them, and the kernel returns from a change to a map of maps only when
        every program that began before it has ended (maybe_wait_bpf_programs() in kernel/bpf/syscall.c). So no
        program still reads the indices that go next. A bank without lists has no indices.
        """
        for outer in (self._lists, *self._indices.values()):
            _put(outer, bank, None)

    def _index(self, lists: Lists, family: int) -> Map | None:
        """A map with the index of a family's drop set less its allow set; None if nothing is left."""
        if self._btf.enum("filter_format")["FILTER_FORMAT"] != _FORMAT:
            raise EcbpfError("the filter", "is of another version", "ecbpf filter attach upgrades it")
        rows = subtract(disjoint(lists.rows[DROP, family]), disjoint(lists.rows[ALLOW, family]))
        if not len(rows):
            return None
        made = _new_index(family, self._btf)
        _BUILD[family](rows, made.memory(), self._btf)
        return made


def _new_index(family: int, btf: Btf) -> Map:
    """An empty index, of the only size that the outer map takes."""
    layout = btf.enum(f"ip{family}_set_layout")
    element = {4: "ip4_element", 6: "ip6_block"}[family]
    entries = layout["IP4_GROUPS"] + layout["IP4_LEAVES"] if family == 4 else layout["IP6_BLOCKS"]
    size = _size_of(btf, element)
    try:
        return Map.create(MAP_ARRAY, 4, size, entries, name=f"filter_ip{family}_set", flags=BPF_F_MMAPABLE)
    except KernelError as error:
        room = f"a set takes {size * entries >> 20} MiB of kernel memory, twice that while it changes"
        raise kernel_error(f"{NAMES[family]} drop set", error.errno, room) from None


def _size_of(btf: Btf, union: str) -> int:
    found = btf.find(union, "UNION")
    assert found is not None  # bpf/filter/layout.h brings it in
    return int(found.size_or_type)


def _pages(lists: Lists) -> Map:
    """A map that holds the lists."""
    flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP
    made = Map.create(MAP_ARRAY, 4, _PAGE, -(-lists.room // _PAGE), name="filter_list", flags=flags)
    lists.write(made.memory())
    return made


def _put(outer: Map, bank: int, inner: Map | None) -> None:
    """Put a map in a bank, and close it; None: leave nothing there."""
    if inner is not None:
        with inner:
            outer[bank] = inner
    elif bank in outer:
        outer.delete(bank)
