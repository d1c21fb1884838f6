"""Skeletons in the kernel: settings, maps and programs as attributes, of an object and of a running program."""

from pathlib import Path
from typing import Any

import pytest

from ecbpf.chain.occupant import maps_of
from ecbpf.errors import DataError
from ecbpf.kernel import Map, Object, open_program
from ecbpf.kernel.skeleton import VersionError
from ecbpf.kernel.uapi import XDP_DROP, XDP_PASS
from tests.support.objects import source_of
from tests.support.skeletons import made

XDP_ABORTED = 0


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return made(source_of("kernel/skeleton"), tmp_path_factory.mktemp("skeleton"))


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("older")
    source = folder / "skeleton.bpf.c"
    source.write_text("#define OLDER\n" + Path(source_of("kernel/skeleton")).read_text())
    return made(str(source), folder)


def running(opened: Object) -> dict[str, Map]:
    """The maps of the loaded program, as another process finds them."""
    with open_program(opened.programs["xdp_lengths_prog"].id) as program:
        return maps_of(program)


def test_a_skeleton_is_set_loaded_run_and_read(module: Any) -> None:
    with module.SkeletonBpf() as opened:
        opened.fixed.drop_verdict = XDP_ABORTED
        opened.live.min_length = 50
        opened.load()
        program = opened.programs.xdp_lengths_prog
        assert program.test_run(bytes(40)).retval == XDP_ABORTED
        assert program.test_run(bytes(60)).retval == XDP_PASS
        opened.live.min_length = 61
        assert program.test_run(bytes(60)).retval == XDP_ABORTED
        counts = {each: opened.maps.packets_by_whether.sum(each) for each in module.Count}
        assert counts == {module.Count.COUNT_SHORT: 2, module.Count.COUNT_LONG: 1}
        assert opened.maps.lengths[0].largest == 60
        assert sorted(opened.maps.by_length) == [40, 60]
        assert (opened.live.last_length, opened.fixed.drop_verdict) == (60, XDP_ABORTED)
        with pytest.raises(DataError, match="drop_verdict: is fixed by the load"):
            opened.fixed.drop_verdict = XDP_DROP


def test_views_of_a_running_program(module: Any) -> None:
    with module.SkeletonBpf() as opened:
        opened.load()
        program = opened.programs.xdp_lengths_prog
        found = running(opened.object)
        maps = module.SkeletonBpf.Maps(found)
        live, fixed = module.SkeletonBpf.Live(found), module.SkeletonBpf.Fixed(found)
        assert program.test_run(bytes(30)).retval == XDP_PASS
        live.min_length = 31
        assert program.test_run(bytes(30)).retval == XDP_DROP
        assert maps.packets_by_whether.sum(module.Count.COUNT_SHORT) == 1
        assert (live.last_length, opened.live.min_length, fixed.drop_verdict) == (30, 31, XDP_DROP)
        assert set(maps) == {"by_length", "packets_by_whether", "lengths"}
        assert set(live) == {"min_length", "max_length", "last_length"}
        with pytest.raises(DataError, match="drop_verdict: is fixed by the load"):
            fixed.drop_verdict = XDP_PASS
        with pytest.raises(AttributeError, match="min_length"):
            _ = fixed.min_length


def test_what_an_older_version_lacks(module: Any, older: Any) -> None:
    with older.SkeletonBpf() as opened:
        opened.load()
        opened.programs.xdp_lengths_prog.test_run(bytes(70))
        found = running(opened.object)
    maps = module.SkeletonBpf.Maps(found, hint="mytool attach replaces it")
    live = module.SkeletonBpf.Live(found)
    # The struct is that of the running program, where `largest` has another offset.
    assert (maps.lengths[0].largest, maps.lengths.info.value_size) == (70, 8)
    assert set(maps) == {"packets_by_whether", "lengths"}
    assert ("by_length" in maps, "max_length" in live, "min_length" in live) == (False, False, True)
    with pytest.raises(VersionError) as lacking:
        _ = maps.by_length
    why = "the running program is of a version without it"
    assert str(lacking.value) == f"map by_length: {why}; mytool attach replaces it"
    assert lacking.value.exit_status == 1
    for access in (lambda: live.max_length, lambda: setattr(live, "max_length", 5)):
        with pytest.raises(VersionError, match=f"global variable max_length: {why}; attach it again"):
            access()


def test_a_program_whose_variables_are_all_static(tmp_path: Path) -> None:
    """libbpf does not make its section mappable."""
    source = tmp_path / "static.bpf.c"
    text = Path(source_of("kernel/skeleton")).read_text()
    source.write_text(text.replace("\n__u32 last_length;", "\nstatic volatile __u32 last_length;"))
    module = made(str(source), tmp_path)
    with module.StaticBpf() as opened:
        opened.load()
        assert opened.programs.xdp_lengths_prog.test_run(bytes(30)).retval == XDP_PASS
        assert set(module.StaticBpf.Live(running(opened.object))) == {"min_length", "max_length"}
