"""The ctypes made from BTF against the compiler's layout; damaged BTF."""

import ctypes
import struct

import pytest

from ecbpf.errors import DataError
from ecbpf.kernel import Object
from ecbpf.kernel.btf import Btf


def test_layout_is_that_of_the_compiler(types: Object) -> None:
    every = types.btf.struct("every")
    assert ctypes.sizeof(every) == types.globals.size_of_every
    members = [name.removeprefix("offset_of_") for name in types.globals if name.startswith("offset_of_")]
    assert len(members) == 13
    ours = {name: getattr(every, name).offset for name in members}
    assert ours == {name: getattr(types.globals, f"offset_of_{name}") for name in members}


def test_values_are_those_of_the_compiler(types: Object) -> None:
    every = types.globals.every
    assert (every.first, every.second, every.negative) == (1, 0x1122334455667788, -2)
    assert (every.nested.small, every.nested.large, every.both[1].large) == (2, 3, 7)
    assert (every.low, every.middle, every.high) == (5, -3, 0x54321)
    assert (every.name, every.letter) == (b"eth0", b"x")
    assert (every.word, list(every.bytes)) == (0x04030201, [1, 2, 3, 4])
    assert (every.port, every.flag, every.rest) == (80, 1, 0x7FFE)
    assert (every.choice.narrow, every.choice.wide) == (9, 0x100000009)
    assert (every.colour, every.verdict, every.yes, every.pointer) == (-1, 2, True, 0xABC)
    assert [list(row) for row in every.matrix] == [[1, 2, 3], [4, 5, 6]]
    assert (every.value, every.padding) == (10, 11)
    assert (types.globals.huge, types.globals.vast) == (-5, 3 << 100)
    assert (types.globals.fraction, types.globals.precise) == (0.5, 0.25)


def test_repr_names_every_member(types: Object) -> None:
    text = repr(types.globals.every)
    assert text.startswith("every(first=1, second=")
    assert "nested=inner(small=2, large=3)" in text
    assert "middle=-3" in text
    assert "word=67305985" in text
    assert "rest=32766" in text
    assert "bytes=" not in text  # the union's other member


def test_bit_fields_leave_their_neighbours_alone(types: Object) -> None:
    every = types.btf.struct("every")()
    for name, value in (("low", 7), ("middle", -16), ("high", 0xFFFFF), ("rest", 0x7FFF), ("flag", 1)):
        setattr(every, name, value)
        assert getattr(every, name) == value
    every.middle = 0
    every.rest = 0
    assert (every.low, every.middle, every.high, every.flag, every.rest) == (7, 0, 0xFFFFF, 1, 0)
    assert every.port == 0


def test_enums_by_name(types: Object) -> None:
    assert types.btf.enum("colour") == {"COLOUR_NONE": -1, "COLOUR_RED": 0, "COLOUR_GREEN": 1}
    with pytest.raises(KeyError):
        types.btf.enum("every")
    with pytest.raises(KeyError):
        types.btf.struct("colour")


def test_a_function_is_not_a_data_type(types: Object) -> None:
    function = types.btf.find("xdp_types_prog", "FUNC")
    assert function is not None
    with pytest.raises(DataError, match="not a type of data"):
        types.btf.ctype(types.btf.types.index(function))


def test_damaged_btf_is_a_named_error(types: Object) -> None:
    raw = types.btf.raw
    assert Btf(raw).enum("verdict") == {"VERDICT_DROP": 1, "VERDICT_PASS": 2}
    for length in range(0, len(raw) - 12, 7):
        with pytest.raises(DataError):
            _read_all(raw[:length])


def _read_all(raw: bytes) -> None:
    for record in Btf(raw).types:
        assert record.detail is not None


@pytest.mark.skipif(struct.pack("=H", 1) != b"\x01\x00", reason="for little-endian machines")
def test_btf_of_the_other_byte_order_is_refused(types: Object) -> None:
    with pytest.raises(DataError, match="byte order"):
        Btf(b"\xeb\x9f" + types.btf.raw[2:])


def test_wide_enums_and_kinds_of_the_kernel_itself() -> None:
    with open("/sys/kernel/btf/vmlinux", "rb") as file:
        kernel = Btf(file.read())
    assert kernel.enum("bpf_map_type")["BPF_MAP_TYPE_LPM_TRIE"] == 11
    wide = next(record for record in kernel.types if record.kind == "ENUM64")
    assert all(isinstance(value, int) for value in wide.detail.values())
    header = kernel.struct("iphdr")
    assert (ctypes.sizeof(header), header.saddr.offset) == (20, 12)
    example = header.from_buffer_copy(bytes([0x45]) + bytes(19))
    assert (example.version, example.ihl) == (4, 5)
    assert ctypes.sizeof(kernel.struct("sk_buff")) > 200
