"""Maps of every type against a dict: single elements, batches, per-CPU values, maps in maps, by pin and id."""

import errno
import os
import subprocess
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecbpf.build import clang_command
from ecbpf.errors import DataError, KernelError
from ecbpf.kernel import Map, Object, PerCpuMap, open_map, open_program
from ecbpf.kernel.bpffs import BPFFS
from ecbpf.kernel.uapi import BPF_EXIST, BPF_NOEXIST, MAP_ARRAY, MAP_HASH
from ecbpf.kernel.values import possible_cpus
from tests.support.objects import Build, source_of

MANY = 100_000
PACKET = bytes(64)


@pytest.fixture
def maps(build: Build) -> Iterator[Object]:
    with Object.open(build("kernel/maps")) as loaded:
        loaded.load()
        yield loaded


def plain(value: Any) -> Any:
    """A value that can be compared: of a struct its bytes."""
    return value if isinstance(value, (int, list)) else bytes(value)


def test_a_map_works_like_a_dictionary(maps: Object) -> None:
    hash_ = maps.maps["hash"]
    assert (hash_.name, hash_.get(1), 1 in hash_, len(hash_)) == ("hash", None, False, 0)
    hash_[1] = 0
    hash_[2] = (1 << 64) - 1
    assert (hash_[1], hash_[2], 1 in hash_, 3 in hash_) == (0, (1 << 64) - 1, True, False)
    assert sorted(hash_) == [1, 2]
    assert dict(hash_.items()) == {1: 0, 2: (1 << 64) - 1}
    assert hash_.delete(1)
    assert not hash_.delete(1)
    with pytest.raises(KeyError):
        del hash_[1]
    with pytest.raises(KeyError):
        _ = hash_[1]
    for bad_key, bad_value in ((-1, 0), (1 << 32, 0), (1, -1), (1, None), ("1", 0)):
        with pytest.raises(DataError):
            hash_[bad_key] = bad_value
    assert len(hash_) == 1


def test_flags_require_a_new_or_an_old_key(maps: Object) -> None:
    hash_ = maps.maps["hash"]
    with pytest.raises(KernelError, match=r"^map hash, key 1: .*ENOENT"):
        hash_.set(1, 1, BPF_EXIST)
    hash_.set(1, 1, BPF_NOEXIST)
    with pytest.raises(KernelError) as refusal:
        hash_.set(1, 2, BPF_NOEXIST)
    assert (refusal.value.errno, hash_[1]) == (errno.EEXIST, 1)


def test_a_full_map_says_how_much_it_holds(maps: Object) -> None:
    tiny, trie = maps.maps["tiny"], maps.maps["tiny_trie"]
    for key in range(4):
        tiny[key] = (key, 0)
        trie[(32, (10, 0, 0, key))] = key
    with pytest.raises(KernelError, match=r"map tiny, key 4: .*E2BIG.*4 entries at most") as refusal:
        tiny[4] = (0, 0)
    assert refusal.value.errno == errno.E2BIG
    with pytest.raises(KernelError, match=r"map tiny_trie, .*ENOSPC.*4 entries at most"):
        trie[(32, (10, 0, 0, 4))] = 4
    with pytest.raises(KernelError, match=r"map tiny: .*E2BIG"):
        tiny.update([(key, (key, 1)) for key in range(10, 15)])
    assert {key: (value.packets, value.bytes) for key, value in tiny.items()} == {k: (k, 0) for k in range(4)}


def test_an_array_keeps_its_keys(maps: Object) -> None:
    array_ = maps.maps["array"]
    array_[7] = 9
    assert (array_[7], array_[8], len(array_)) == (9, 0, 1 << 17)
    with pytest.raises(KernelError, match=r"map array, key 131072: .*E2BIG") as refusal:
        array_[1 << 17] = 1
    assert "at most" not in str(refusal.value)
    for delete in (lambda: array_.delete(7), lambda: array_.delete_many([7])):
        with pytest.raises(KernelError, match=r"^map array.*EINVAL"):
            delete()


SOME = {"hash": 8, "array": 4, "lru": 8, "trie": 4}


def prefix(number: int) -> tuple[int, bytes]:
    return (32, number.to_bytes(4, "big"))


@pytest.mark.parametrize("name", SOME)
def test_a_hundred_thousand_at_once(maps: Object, name: str) -> None:
    map_ = maps.maps[name]
    wanted = {key: key * 3 for key in range(MANY)}
    if name == "trie":
        keys = b"".join((32).to_bytes(4, "little") + key.to_bytes(4, "big") for key in wanted)
    else:
        keys = array("I", wanted).tobytes()
    map_.update_raw(keys, array("I" if SOME[name] == 4 else "Q", wanted.values()))
    if name == "trie":
        found = {int.from_bytes(bytes(key.addr), "big"): value for key, value in map_.snapshot()}
    else:
        found = dict(map_.snapshot())
    if name == "array":
        wanted |= dict.fromkeys(range(MANY, 1 << 17), 0)
    if name == "lru":  # it may evict before it is full
        assert len(found) > 0.9 * MANY
        wanted = {key: wanted[key] for key in found}
    assert found == wanted
    if name != "array":
        gone = sorted(found)[::2]
        map_.delete_many([prefix(key) if name == "trie" else key for key in gone])
        assert len(map_.snapshot()) == len(found) - len(gone)


def test_deleting_many_stops_at_one_that_is_missing(maps: Object) -> None:
    hash_ = maps.maps["hash"]
    hash_.update((key, key) for key in range(10))
    with pytest.raises(KernelError, match=r"map hash: .*ENOENT") as refusal:
        hash_.delete_many([0, 1, 99, 2])
    assert refusal.value.errno == errno.ENOENT
    assert sorted(hash_) == list(range(2, 10))
    hash_.delete_many([])
    hash_.update([])
    assert len(hash_) == 8


def test_bytes_that_are_not_whole_elements(maps: Object) -> None:
    for keys, values in ((b"abc", bytes(8)), (bytes(4), bytes(7)), (bytes(8), bytes(8))):
        with pytest.raises(DataError, match=r"map hash: .* are not whole elements"):
            maps.maps["hash"].update_raw(keys, values)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["set", "delete", "update", "delete_many"]),
        st.dictionaries(st.integers(0, 15), st.integers(0, 99), min_size=1, max_size=8),
    ),
    max_size=20,
)


@pytest.mark.parametrize("name", ["hash", "lru", "percpu_hash", "trie", "array"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(operations=OPERATIONS)
def test_random_operations_match_a_dict(maps: Object, name: str, operations: list[Any]) -> None:
    map_ = Map.create(MAP_ARRAY, 4, 4, 16) if name == "array" else maps.maps[name]
    key_of: Callable[[int], Any] = prefix if name == "trie" else int
    model: dict[int, int] = {}
    for key in range(16):
        if name == "array":
            map_[key] = model[key] = 0
        else:
            map_.delete(key_of(key))
    for verb, pairs in operations:
        if "delete" in verb and name == "array":
            continue
        if verb == "update":
            map_.update([(key_of(key), _value(name, value)) for key, value in pairs.items()])
            model |= pairs
        elif verb == "delete_many":
            here = [key for key in pairs if key in model]
            map_.delete_many(map(key_of, here))
            model = {key: value for key, value in model.items() if key not in here}
        else:
            key, value = next(iter(pairs.items()))
            if verb == "set":
                map_[key_of(key)] = _value(name, value)
                model[key] = value
            else:
                assert map_.delete(key_of(key)) == (model.pop(key, None) is not None)
    for read in (map_.items(), map_.snapshot()):
        found = {_number(name, key): _plain(name, value) for key, value in read}
        assert found == model


def _value(name: str, value: int) -> Any:
    return (value, 1) if name == "percpu_hash" else value


def _number(name: str, key: Any) -> int:
    return int.from_bytes(bytes(key.addr), "big") if name == "trie" else int(key)


def _plain(name: str, value: Any) -> int:
    return int(value[0].packets if name == "percpu_hash" else value)


def test_per_cpu_values(maps: Object) -> None:
    cpus = possible_cpus()
    counts, numbers = maps.maps["percpu_hash"], maps.maps["percpu_array"]
    assert isinstance(counts, PerCpuMap)
    assert isinstance(numbers, PerCpuMap)
    counts[0] = [(cpu, cpu * 2) for cpu in range(cpus)]
    assert [(one.packets, one.bytes) for one in counts[0]] == [(cpu, cpu * 2) for cpu in range(cpus)]
    whole = counts.sum(0)
    assert (whole.packets, whole.bytes) == (sum(range(cpus)), 2 * sum(range(cpus)))
    for _ in range(5):
        maps.programs["xdp_maps_prog"].test_run(PACKET)
    assert counts.sum(0).packets == sum(range(cpus)) + 5
    assert counts.get(1) is None
    with pytest.raises(KeyError):
        counts.sum(1)
    numbers[3] = 7  # 4 bytes of each 8
    assert (numbers[3], numbers.sum(3)) == ([7] * cpus, 7 * cpus)
    numbers.update((key, [key + cpu for cpu in range(cpus)]) for key in range(1000))
    assert dict(numbers.snapshot()) == {key: [key + cpu for cpu in range(cpus)] for key in range(1000)}
    with pytest.raises(DataError, match=rf"values for {cpus} CPUs"):
        numbers[3] = [1] * (cpus + 1)


def test_a_map_without_batches_is_updated_one_by_one(maps: Object) -> None:
    programs = maps.maps["programs"]
    programs.update([(0, maps.programs["xdp_tail_prog"]), (5, maps.programs["xdp_tail_prog"])])
    program_id = maps.programs["xdp_tail_prog"].id
    assert programs.snapshot() == [(0, program_id), (5, program_id)]
    programs.delete_many([0])
    assert dict(programs.items()) == {5: program_id}
    with pytest.raises(KernelError, match=r"map programs: .*ENOENT"):
        programs.delete_many([5, 0])
    with pytest.raises(KernelError, match=r"map programs: .*E2BIG"):
        programs.update([(8, maps.programs["xdp_tail_prog"])])
    assert programs.snapshot() == []


def test_programs_in_a_map(maps: Object) -> None:
    maps_prog, tail = maps.programs["xdp_maps_prog"], maps.programs["xdp_tail_prog"]
    assert maps_prog.test_run(PACKET).retval == 2
    maps.maps["programs"][1] = tail
    assert (maps_prog.test_run(PACKET).retval, maps.maps["programs"][1]) == (3, tail.id)
    assert maps.maps["programs"].get(2) is None


def test_maps_in_a_map(maps: Object) -> None:
    outer, first = maps.maps["outer"], maps.maps["first_inner"]
    program = maps.programs["xdp_maps_prog"]
    assert (outer[0], outer.get(1)) == (first.info.id, None)
    program.test_run(PACKET)
    with Map.create(*first.shape, name="second") as second:
        outer[0] = second
        program.test_run(PACKET)
        program.test_run(PACKET)
        assert (first[0], second[0], outer[0]) == (1, 2, second.info.id)
        assert dict(outer.snapshot()) == {0: second.info.id}
        with open_map(outer[0]) as again:
            assert (again.name, again[0]) == ("second", 2)
    with Map.create(MAP_HASH, 4, 8, 4) as wrong, pytest.raises(KernelError, match=r"map outer, key 1.*EINVAL"):
        outer[1] = wrong
    outer.delete(0)
    assert program.test_run(PACKET).retval == 1


def test_types_by_pin_and_by_id_are_those_of_the_load(maps: Object, pin: str) -> None:
    tiny = maps.maps["tiny"]
    tiny[1] = (5, 6)
    tiny.pin(pin)
    for source in (pin, tiny.info.id):
        with open_map(source) as again:
            assert (again.shape, type(again[1]).__name__) == (tiny.shape, "counts")
            assert (again[1].packets, again[1].bytes) == (5, 6)
            again[2] = tiny[1]
            assert tiny[2].bytes == 6
            assert not hasattr(again[1], "drops")
    with pytest.raises(KernelError) as refusal:
        tiny.pin(pin)
    assert (refusal.value.errno, refusal.value.what) == (errno.EEXIST, pin)


def test_a_newer_programs_map_is_read_by_its_own_types(pin: str, tmp_path: Any) -> None:
    path = str(tmp_path / "newer.bpf.o")
    subprocess.run([*clang_command(source_of("kernel/maps"), path), "-DNEWER"], check=True)
    with Object.open(path) as newer:
        newer.load()
        newer.maps["tiny"][1] = (5, 6, 7)
        newer.maps["tiny"].pin(pin)
    with open_map(pin) as found:
        assert (found[1].packets, found[1].bytes, found[1].drops) == (5, 6, 7)


def test_a_pin_of_another_kind(maps: Object, pin: str) -> None:
    maps.programs["xdp_tail_prog"].pin(pin)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(KernelError, match=r"is a bpf-prog, not a bpf-map") as refusal:
        open_map(pin)
    assert refusal.value.errno == errno.EINVAL
    assert len(os.listdir("/proc/self/fd")) == before
    with open_program(pin) as program:
        assert program.full_name() == "xdp_tail_prog"
    with pytest.raises(KernelError, match=r"no-such.*ENOENT"):
        open_map(f"{BPFFS}/no-such")
    with pytest.raises(KernelError, match=r"map 2147483647: .*ENOENT"):
        open_map(0x7FFFFFFF)


def test_plain_maps_have_plain_types() -> None:
    with Map.create(MAP_ARRAY, 4, 3, 2, name="a_name_of_more_than_15") as odd:
        odd[1] = b"abc"
        assert (odd.name, bytes(odd[1])) == ("a_name_of_more_", b"abc")
    with pytest.raises(KernelError, match=r"EINVAL"):
        Map.create(MAP_ARRAY, 8, 4, 1)


def test_closing_twice_and_in_a_forked_child() -> None:
    map_ = Map.create(MAP_HASH, 4, 4, 1)
    child = os.fork()
    if child == 0:
        map_.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    map_[1] = 2
    assert map_[1] == 2
    map_.close()
    map_.close()
    with pytest.raises(KernelError, match=r"EBADF"):
        map_.get(1)


def test_a_failed_constructor_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    class Unmade(Map):
        def __init__(self) -> None:
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        Unmade()
    with pytest.raises(KernelError, match=r"EBADF"):
        open_map_of_nothing()
    assert capfd.readouterr().err == ""


def open_map_of_nothing() -> None:
    fd = os.dup(0)
    os.close(fd)
    map_ = Map.__new__(Map)
    try:
        map_.__init__(fd)  # type: ignore[misc]
    finally:
        map_.fd = -1
