"""The drop set and the allow set of an interface as they were listed, with prefix tags and load times.

They lie in a map that no packet reads, as a sequence of numpy arrays: the tags, and the rows of each list.
numpy.lib.format describes itself, so a newer command reads what an older one wrote.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ecbpf.errors import DataError
from ecbpf.filter.prefix import BITS, NAMES, ROW, Address, Rows
from ecbpf.filter.rows import covering, merged

__all__ = ["ALLOW", "CAPACITY", "DROP", "TAG_BYTES", "Kind", "Lists", "check_tag"]

Kind = str
DROP: Kind = "drop"
ALLOW: Kind = "allow"
CAPACITY = {DROP: 1 << 20, ALLOW: 1 << 10}  # prefixes per family; the indices are sized for these
TAG_BYTES = 63
_KEYS = [(kind, family) for kind in (DROP, ALLOW) for family in BITS]
_TAG = f"S{TAG_BYTES}"
_HEADER_ROOM = 1024  # bytes, of an array in the format of numpy.lib.format


def check_tag(tag: str) -> str:
    """`tag`, if it can be a prefix tag: at most 63 bytes of UTF-8 on one line, without # or blanks around it.

    Raises DataError.
    """
    if not tag.isprintable() or tag != tag.strip() or "#" in tag:
        raise DataError(f"tag {tag!r}", "no #, control characters or blanks around it", "give plain text")
    size = len(tag.encode())  # cannot fail: surrogates are not printable
    if size > TAG_BYTES:
        raise DataError(f"tag {tag!r}", f"too long: {size} bytes", f"{TAG_BYTES} at most")
    return tag


class Lists(NamedTuple):
    """Rows by kind (DROP, ALLOW) and family (4, 6), sorted, each prefix once; their tags, the first ""."""

    rows: dict[tuple[Kind, int], Rows]
    tags: npt.NDArray[np.bytes_]

    @classmethod
    def empty(cls) -> Lists:
        """Nothing listed."""
        return cls({key: np.empty(0, ROW) for key in _KEYS}, np.zeros(1, _TAG))

    @classmethod
    def read(cls, file: Any) -> Lists:
        """Read what write() wrote. file: anything with read() and seek().

        Raises DataError if another version wrote something that this one cannot use.
        """
        tags = np.load(file)
        return cls({key: _rows_of(np.load(file)) for key in _KEYS}, tags)

    def write(self, file: Any) -> None:
        """Write it for read(), at most `room` bytes. file: anything with write()."""
        for array in self._arrays():
            np.save(file, array)

    @property
    def room(self) -> int:
        """The bytes that write() may need."""
        return sum(array.nbytes + _HEADER_ROOM for array in self._arrays())

    def _arrays(self) -> list[npt.NDArray[Any]]:
        """The arrays, in the order in which they are written and read."""
        return [self.tags, *(self.rows[key] for key in _KEYS)]

    def tag(self, number: int) -> str:
        """The text of a tag."""
        text: bytes = self.tags[number]
        return text.decode()

    def covering(self, address: Address) -> dict[Kind, list[int]]:
        """The indices, in each list of its family, of the prefixes that an address is in, the longest first."""
        family, upper, lower = address
        return {kind: covering(self.rows[kind, family], upper, lower, BITS[family]) for kind in (DROP, ALLOW)}

    def drops(self, address: Address) -> bool:
        """Whether packets from an address are dropped: the allow set wins."""
        indices = self.covering(address)
        return bool(indices[DROP]) and not indices[ALLOW]

    def count(self, kind: Kind) -> int:
        """How many prefixes of both families are listed."""
        return sum(len(self.rows[kind, family]) for family in BITS)

    def replaced(self, kind: Kind, family: int, rows: Rows) -> Lists:
        """With other rows for one list."""
        return self._replace(rows=self.rows | {(kind, family): rows})

    def added(self, kind: Kind, new: dict[int, Rows], tags: list[str]) -> Lists:
        """With new rows by family, whose tags are indices in `tags`. A listed prefix gets their tag and time.

        Raises DataError if there are then too many.
        """
        numbers, all_tags = self._with_tags(tags)
        changed = self._replace(tags=all_tags)
        for family, given in new.items():
            if len(given):
                rows = given.copy()
                rows["tag"] = numbers[rows["tag"]]
                changed = changed.replaced(kind, family, merged(self.rows[kind, family], rows))
                _check_capacity(kind, family, len(changed.rows[kind, family]))
        return changed.compacted()

    def _with_tags(self, tags: list[str]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bytes_]]:
        """The indices of some tags in a list of all tags, and that list."""
        known = {tag: number for number, tag in enumerate(self.tags.tolist())}
        numbers = [known.setdefault(tag.encode(), len(known)) for tag in tags]
        return np.array(numbers, np.uint32), np.array(list(known), _TAG)

    def compacted(self) -> Lists:
        """Without tags that no row has."""
        used = np.zeros(len(self.tags), bool)
        used[0] = True
        for rows in self.rows.values():
            used[rows["tag"]] = True
        if used.all():
            return self
        numbers = np.cumsum(used, dtype=np.uint32) - np.uint32(1)
        renumbered = {}
        for key, rows in self.rows.items():
            renumbered[key] = rows.copy()
            renumbered[key]["tag"] = numbers[rows["tag"]]
        return Lists(renumbered, self.tags[used])


def _rows_of(array: npt.NDArray[Any]) -> Rows:
    """An array that was read, as rows: another version may have other members, or another order of them."""
    names = array.dtype.names or ()
    if names == ROW.names:
        # An array that was read is packed; rows are aligned.
        return np.asarray(array, ROW)
    if not set(names) >= set(ROW.names or ()):
        raise DataError(
            "the lists of the filter",
            "were written by another version",
            "save them with that version, and load the file",
        )
    rows = np.zeros(len(array), ROW)
    for name in ROW.names or ():
        rows[name] = array[name]
    return rows


def _check_capacity(kind: Kind, family: int, count: int) -> None:
    """Raise DataError if a list cannot hold that many prefixes."""
    if count > CAPACITY[kind]:
        raise DataError(
            f"{count} {NAMES[family]} prefixes",
            f"too many for the {kind} set",
            f"it holds {CAPACITY[kind]} of each family: list larger networks",
        )
