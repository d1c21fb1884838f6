"""Values in maps and globals: every edge case of encode(), decode() and total()."""

import ctypes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecbpf.errors import DataError
from ecbpf.kernel import Object
from ecbpf.kernel.descriptor import Descriptor
from ecbpf.kernel.layout import SignedWide, Wide
from ecbpf.kernel.values import decode, encode, plain_type, total

GOOD: list[tuple[Any, Any, bytes]] = [
    (ctypes.c_uint32, 0xFFFFFFFF, b"\xff" * 4),
    (ctypes.c_int16, -2, b"\xfe\xff"),
    (ctypes.c_uint32, True, b"\x01\0\0\0"),
    (ctypes.c_uint32, b"\x0a\0\0\x01", b"\x0a\0\0\x01"),
    (ctypes.c_uint16, memoryview(b"ab"), b"ab"),
    (ctypes.c_bool, 1, b"\x01"),
    (ctypes.c_char, b"x", b"x"),
    (ctypes.c_char, 0x80, b"\x80"),
    (ctypes.c_double, 1, b"\0\0\0\0\0\0\xf0\x3f"),
    (ctypes.c_float, 0.1, b"\xcd\xcc\xcc\x3d"),
    (ctypes.c_char * 4, b"ab", b"ab\0\0"),
    (ctypes.c_char * 4, b"a\0bc", b"a\0bc"),
    (ctypes.c_uint8 * 4, [1, 2, 3, 4], b"\x01\x02\x03\x04"),
    (ctypes.c_uint16 * 2, (1, 2), b"\x01\0\x02\0"),
    (Wide, (1 << 128) - 1, b"\xff" * 16),
    (SignedWide, -1, b"\xff" * 16),
    (SignedWide, -(1 << 127), b"\0" * 15 + b"\x80"),
]


@pytest.mark.parametrize(("ctype", "value", "raw"), GOOD)
def test_encode(ctype: Any, value: Any, raw: bytes) -> None:
    assert bytes(encode(ctype, value)) == raw


BAD: list[tuple[Any, Any]] = [
    (ctypes.c_uint32, -1),
    (ctypes.c_uint32, 1 << 32),
    (ctypes.c_int8, 128),
    (ctypes.c_uint64, 1 << 64),
    (ctypes.c_uint32, 1.5),
    (ctypes.c_uint32, None),
    (ctypes.c_uint32, "1"),
    (ctypes.c_uint32, (1,)),
    (ctypes.c_uint32, b"abc"),
    (ctypes.c_bool, 2),
    (ctypes.c_bool, None),
    (ctypes.c_bool, "no"),
    (ctypes.c_char, 256),
    (ctypes.c_char, -1),
    (ctypes.c_char, b"ab"),
    (ctypes.c_float, (1 << 24) + 1),
    (ctypes.c_double, 10**400),
    (ctypes.c_char * 4, b"abcde"),
    (ctypes.c_char * 4, "ab"),
    (ctypes.c_uint8 * 4, [1, 2, 3]),
    (ctypes.c_uint8 * 4, [1, 2, 3, 4, 5]),
    (ctypes.c_uint8 * 4, [1, 2, 3, 256]),
    (ctypes.c_uint8 * 4, b"abc"),
    (ctypes.c_uint8 * 4, 7),
    (Wide, -1),
    (Wide, 1 << 128),
    (SignedWide, 1 << 127),
]


@pytest.mark.parametrize(("ctype", "value"), BAD)
def test_encode_refuses_values_that_do_not_fit(ctype: Any, value: Any) -> None:
    with pytest.raises(DataError):
        encode(ctype, value)


def test_a_struct_goes_in_as_a_tuple_whatever_its_padding(types: Object) -> None:
    inner = types.btf.struct("inner")
    assert bytes(encode(inner, (1, 2))) == b"\x01\0\0\0\x02\0\0\0"
    for wrong in ((1,), (1, 2, 3), (256, 2), (1, -1), (None, 2), 7):
        with pytest.raises(DataError):
            encode(inner, wrong)


def test_a_nested_struct_goes_in_as_a_tuple(types: Object) -> None:
    every = types.btf.struct("every")
    parts: list[Any] = [1, 2, (3, 4), [(5, 6), (7, 8)], b"lo", 7, -16, 9, 0x01020304, 80, 1, 2, (12,)]
    parts += [13, -1, 2, True, b"z", 14, ((1, 2, 3), (4, 5, 6)), 15, -16]
    made = encode(every, tuple(parts))
    assert (made.first, made.nested.large, made.both[1].small, made.name) == (1, 4, 7, b"lo")
    assert (made.low, made.middle, made.high, made.word, made.port, made.rest) == (7, -16, 9, 0x01020304, 80, 2)
    assert (made.choice.narrow, made.value, made.colour, made.yes, made.letter) == (12, 13, -1, True, b"z")
    assert (made.pointer, list(made.matrix[1]), made.negative) == (14, [4, 5, 6], -16)
    for at, wrong in ((5, 8), (6, 16), (6, -17), (5, None), (3, [(5, 6)]), (19, ((1, 2), (3, 4)))):
        with pytest.raises(DataError):
            encode(every, (*parts[:at], wrong, *parts[at + 1 :]))


def test_a_struct_of_another_btf_goes_in_by_its_bytes(types: Object) -> None:
    class Same(ctypes.Structure):
        _fields_ = (("small", ctypes.c_uint8), ("large", ctypes.c_uint32))

    inner = types.btf.struct("inner")
    assert encode(inner, Same(1, 2)).large == 2
    with pytest.raises(DataError):
        encode(inner, types.btf.struct("every")())


def test_a_descriptor_goes_in_as_its_number() -> None:
    class Fake(Descriptor):
        def close(self) -> None:
            pass

    assert encode(ctypes.c_uint32, Fake(7)).value == 7


def test_decode(types: Object) -> None:
    assert decode(ctypes.c_uint32(5)) == 5
    assert decode((ctypes.c_char * 4)(b"a", b"\0", b"b")) == b"a"
    assert decode(Wide(5, 1)) == 5 + (1 << 64)
    every = types.globals.every
    assert decode(every) is every  # it has a member called value
    assert list(decode((ctypes.c_uint8 * 2)(1, 2))) == [1, 2]


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.sampled_from([1, 2, 4, 8]), st.booleans())
def test_numbers_come_back_or_are_refused(number: int, size: int, signed: bool) -> None:
    ctype = getattr(ctypes, f"c_{'' if signed else 'u'}int{8 * size}")
    try:
        raw = number.to_bytes(size, "little", signed=signed)
    except OverflowError:
        with pytest.raises(DataError):
            encode(ctype, number)
    else:
        assert bytes(encode(ctype, number)) == raw
        assert decode(encode(ctype, number)) == number


def test_total(types: Object) -> None:
    assert total([1, 2, 3]) == 6
    assert total([b"a", b"b"]) == b"a"
    assert list(total([(ctypes.c_uint32 * 2)(1, 2), (ctypes.c_uint32 * 2)(3, 4)])) == [4, 6]
    every = types.btf.struct("every")
    first, second = every.from_buffer_copy(types.globals.every), every()
    second.second, second.low, second.middle, second.word, second.port, second.rest = 1, 2, 1, 4, 20, 1
    second.choice.narrow = 1
    second.matrix[1][2] = 10
    second.name = b"other"
    result = total([first, second])
    assert (result.second, result.low, result.middle, result.high) == (0x1122334455667789, 7, -2, 0x54321)
    assert (result.word, result.port, result.flag, result.rest) == (0x04030205, 100, 1, 0x7FFF)
    assert (result.choice.narrow, result.name, result.value) == (10, b"eth0", 10)
    assert (list(result.matrix[1]), result.both[1].large) == ([4, 5, 16], 7)
    wide = total([(Wide * 1)(Wide(1, 0)), (Wide * 1)(Wide((1 << 64) - 1, 0))])
    assert wide[0].value == 1 << 64


def test_plain_types() -> None:
    assert [ctypes.sizeof(plain_type(size)) for size in (0, 1, 2, 3, 4, 8, 16)] == [0, 1, 2, 3, 4, 8, 16]
    assert decode(plain_type(8)(9)) == 9
    assert bytes(decode(plain_type(3)(1, 2, 3))) == b"\x01\x02\x03"
