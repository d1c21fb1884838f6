"""Sets of prefixes as plain Python has them, and random ones of every shape that an index may stumble over.

Addresses are numbers of their family's width; a prefix is the number of its first address and its length.
"""

from random import Random

__all__ = ["BITS", "SHAPES", "Pairs", "PrefixSet", "edges", "random_holes", "random_prefixes"]

Pairs = list[tuple[int, int]]

BITS = {4: 32, 6: 128}


class PrefixSet:
    """Membership: for each length the networks of that length, looked up in turn."""

    def __init__(self, family: int, prefixes: Pairs) -> None:
        bits = BITS[family]
        networks: dict[int, set[int]] = {}
        for first, length in prefixes:
            networks.setdefault(bits - length, set()).add(first >> (bits - length))
        self._networks = list(networks.items())

    def __contains__(self, address: int) -> bool:
        return any(address >> host_bits in networks for host_bits, networks in self._networks)


def edges(family: int, prefixes: Pairs) -> list[int]:
    """The first and the last address of each prefix, and their neighbours outside."""
    bits = BITS[family]
    found = set()
    for first, length in prefixes:
        last = first | (1 << (bits - length)) - 1
        found |= {first - 1, first, last, last + 1}
    return sorted(address for address in found if 0 <= address < 1 << bits)


def _network(family: int, address: int, length: int) -> tuple[int, int]:
    host_bits = BITS[family] - length
    return address >> host_bits << host_bits, length


def _any(rng: Random, family: int, shortest: int = 0) -> tuple[int, int]:
    return _network(family, rng.getrandbits(BITS[family]), rng.randint(shortest, BITS[family]))


def _mixed(rng: Random, family: int, count: int) -> Pairs:
    return [_any(rng, family, rng.choice((3, 8, 24))) for _ in range(count)]


def _all_lengths(rng: Random, family: int, count: int) -> Pairs:
    """Nested around one address: each length there is, some left out."""
    address = rng.getrandbits(BITS[family])
    lengths = range(rng.randrange(BITS[family]), BITS[family] + 1)
    return [_network(family, address, length) for length in lengths if rng.randrange(3)] or [
        (address, BITS[family])
    ]


def _one_length(rng: Random, family: int, count: int) -> Pairs:
    length = rng.choice((24, 25, 26, 27, 31, 32) if family == 4 else (1, 31, 32, 33, 48, 63, 64, 65, 96, 127, 128))
    return [_network(family, rng.getrandbits(BITS[family]), length) for _ in range(count)]


def _adjacent(rng: Random, family: int, count: int) -> Pairs:
    """One behind the other, lengths of any kind, now and then a gap."""
    bits = BITS[family]
    at, made = rng.getrandbits(bits), []
    shortest = rng.choice((bits - 9, bits // 2 - 2, 16))
    for _ in range(count):
        first, length = _network(family, at, rng.randint(shortest, bits))
        made.append((first, length))
        at = (first + (1 << (bits - length)) * rng.choice((1, 1, 1, 2))) % (1 << bits)
    return made


def _one_network(rng: Random, family: int, count: int) -> Pairs:
    """All in one /24 or one /64: what a leaf, or the pool of one record, has to hold."""
    bits, network = BITS[family], {4: 24, 6: 64}[family]
    base = _network(family, rng.getrandbits(bits), network)[0]
    longest_only = rng.randrange(2)
    return [
        _network(
            family, base | rng.getrandbits(bits - network), bits if longest_only else rng.randint(network, bits)
        )
        for _ in range(count)
    ]


def _few_networks(rng: Random, family: int, count: int) -> Pairs:
    """A few neighbouring networks, with one, two or many longer prefixes in each."""
    bits, network = BITS[family], {4: 24, 6: 64}[family]
    base = _network(family, rng.getrandbits(bits), network - 4)[0]
    made = []
    for _ in range(count):
        within = base | min(rng.randrange(16), rng.randrange(16)) << (bits - network)
        made.append(_network(family, within | rng.getrandbits(bits - network), rng.randint(network, bits)))
    return made


def _dense(rng: Random, family: int, count: int) -> Pairs:
    """Single addresses or networks of one length, every one or every other."""
    bits = BITS[family]
    length = rng.choice((bits, bits, bits - 1, bits - 7, bits - 8, bits // 2, bits // 2 + 1))
    step = 1 << (bits - length)
    base = _network(family, rng.getrandbits(bits), length)[0]
    every = rng.choice((1, 1, 2))
    return [((base + i * every * step) % (1 << bits), length) for i in range(count)]


def _ends(rng: Random, family: int, count: int) -> Pairs:
    """The first and the last networks of all, which an index might take for free entries, or run beyond."""
    bits = BITS[family]
    made = [(0, length) for length in (0, 1, bits // 2, bits // 2 + 1, bits - 1, bits) if not rng.randrange(3)]
    for length in (1, bits // 2, bits // 2 + 1, bits):
        if rng.randrange(2):
            made.append(_network(family, (1 << bits) - 1, length))
    return made + [_any(rng, family, bits // 2 - 1) for _ in range(rng.randrange(7))] or [(0, bits)]


def _same_upper_word(rng: Random, family: int, count: int) -> Pairs:
    """Alike in their first 32 bits: the gate opens, the search has to tell them apart."""
    bits = BITS[family]
    base = rng.getrandbits(bits) >> (bits - 16) << (bits - 16)
    return [_network(family, base | rng.getrandbits(bits - 16), rng.randint(16, bits)) for _ in range(count)]


SHAPES = (
    _mixed,
    _all_lengths,
    _one_length,
    _adjacent,
    _one_network,
    _few_networks,
    _dense,
    _ends,
    _same_upper_word,
)


def random_prefixes(rng: Random, family: int, most: int = 300) -> Pairs:
    """Some prefixes: one shape, or two together; now and then a prefix twice, or one that covers others."""
    made: Pairs = []
    for shape in rng.choices(SHAPES, k=rng.choice((1, 1, 2))):
        made += shape(rng, family, rng.choice((1, 2, rng.randint(1, 20), rng.randint(1, most))))
    for _ in range(rng.randrange(4)):
        first, length = rng.choice(made)
        made.append(_network(family, first, max(0, length - rng.choice((0, 1, 2, 8)))))
    rng.shuffle(made)
    return made


def random_holes(rng: Random, family: int, prefixes: Pairs, most: int = 20) -> Pairs:
    """Prefixes for an allow set: in, around and beside those given, as large as one of them, and anywhere."""
    bits = BITS[family]
    made: Pairs = []
    for _ in range(rng.randrange(most + 1)):
        first, length = rng.choice(prefixes)
        match rng.randrange(6):
            case 0:
                made.append((first, length))
            case 1:
                made.append(_network(family, first, max(0, length - rng.choice((1, 2, 8)))))
            case 2:
                made.append(_any(rng, family, 4))
            case kind:
                within = first | rng.getrandbits(bits - length) if length < bits else first
                if kind == 3:
                    within = first  # begins where it begins
                made.append(_network(family, within, rng.randint(length, bits)))
    return made
