"""Prefixes of both families: as text, as numbers, and as rows of a numpy array.

An address is two numbers in host byte order: ``upper`` holds its first 64 bits, ``lower`` the rest. An IPv4
address is the first 32 bits of ``upper``, so that one piece of code serves both families.
"""

import socket
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ecbpf.errors import DataError

__all__ = [
    "BITS",
    "FAMILIES",
    "LENGTHS",
    "MAPPED",
    "NAMES",
    "ROW",
    "Address",
    "Prefix",
    "Rows",
    "mask",
    "masked",
    "parse_address",
    "parse_prefix",
    "text_of",
]

BITS = {4: 32, 6: 128}
NAMES = {4: "IPv4", 6: "IPv6"}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
# By what may follow an address: nothing, or a slash and up to three digits.
LENGTHS = {
    family: {"": bits} | {f"/{length:0{digits}}": length for length in range(bits + 1) for digits in (1, 2, 3)}
    for family, bits in BITS.items()
}
MAPPED = 0xFFFF  # the 32 bits before the IPv4 address in ::ffff:0:0/96 (RFC 4291 section 2.5.5.2)

# time: seconds since 1970. tag: the index of the prefix tag in the list of tags.
ROW = np.dtype([("upper", "u8"), ("lower", "u8"), ("time", "i8"), ("tag", "u4"), ("length", "u1")], align=True)
Rows = npt.NDArray[Any]  # of ROW


class Address(NamedTuple):
    """An address of a family (4 or 6)."""

    family: int
    upper: int
    lower: int


class Prefix(NamedTuple):
    """A prefix without host bits; had_host_bits: some were cleared."""

    family: int
    upper: int
    lower: int
    length: int
    had_host_bits: bool

    def __str__(self) -> str:
        return text_of(self.family, self.upper, self.lower, self.length)


def parse_address(text: str) -> Address:
    """An address as inet_pton(3) reads it. Raises DataError, also for an IPv4-mapped IPv6 address."""
    family = 6 if ":" in text else 4
    try:
        packed = socket.inet_pton(FAMILIES[family], text)
    except (OSError, ValueError):
        raise DataError(repr(text), "not an IP address", "for instance 192.0.2.7 or 2001:db8::7") from None
    number = int.from_bytes(packed.ljust(16, b"\0"), "big")
    upper, lower = number >> 64, number & (1 << 64) - 1
    if family == 6 and upper == 0 and lower >> 32 == MAPPED:
        plain = socket.inet_ntop(socket.AF_INET, packed[12:])
        raise DataError(text, "an IPv4-mapped IPv6 address, which no packet carries", f"give {plain}")
    return Address(family, upper, lower)


def parse_prefix(text: str) -> Prefix:
    """A prefix, ``ADDRESS/LENGTH``, or an address alone. Host bits are cleared. Raises DataError."""
    address_text, slash, length_text = text.partition("/")
    address = parse_address(address_text)
    length = LENGTHS[address.family].get(slash + length_text)
    if length is None:
        hint = f"give 0 to {BITS[address.family]}"
        raise DataError(repr(text), f"{length_text!r} is not a valid prefix length", hint)
    number = address.upper << 64 | address.lower
    kept = number >> (128 - length) << (128 - length)
    return Prefix(address.family, kept >> 64, kept & (1 << 64) - 1, length, kept != number)


def text_of(family: int, upper: int, lower: int, length: int | None = None) -> str:
    """The text of an address, or, with a length, of a prefix."""
    packed = upper.to_bytes(8, "big") + lower.to_bytes(8, "big")
    address = socket.inet_ntop(FAMILIES[family], packed[: BITS[family] // 8])
    return address if length is None else f"{address}/{length}"


def masked(rows: Rows) -> int:
    """Clear the host bits of all rows, in place; returns how many rows had host bits."""
    length = rows["length"].astype(np.uint64)
    upper = rows["upper"] & mask(length)
    lower = rows["lower"] & mask(np.maximum(length, 64) - np.uint64(64))
    changed = int(np.count_nonzero((upper != rows["upper"]) | (lower != rows["lower"])))
    rows["upper"], rows["lower"] = upper, lower
    return changed


def mask(length: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """64-bit words whose first `length` bits are set; for a length of 64 or more, all of them."""
    shift = np.uint64(64) - np.minimum(length, np.uint64(64))
    ones = np.uint64(0xFFFFFFFFFFFFFFFF)
    # A shift by 64 is undefined: shift in two halves.
    half = shift >> np.uint64(1)
    return ones << half << (shift - half)
