"""Test runs, probes (with and without privileges), the trace pipe, bpffs."""

import ctypes
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecbpf.errors import KernelError
from ecbpf.kernel import Object, bpffs, open_program, probe
from ecbpf.kernel.probe import Answer
from ecbpf.kernel.tracepipe import lines
from ecbpf.kernel.uapi import MAP_HASH, MAP_RINGBUF, PROG_SCHED_CLS, PROG_XDP
from tests.support.needs import needs_frags, needs_live_frames
from tests.support.objects import Build

PACKET = bytes(range(64))
TRACE_PRINTK, OVERRIDE_RETURN, NO_SUCH_HELPER = 6, 58, 9999


@pytest.fixture
def loaded(build: Build) -> Iterator[Object]:
    with Object.open(build("kernel/attach")) as opened:
        opened.globals.marker = os.getpid()
        opened.load()
        yield opened


# Really since 5.15 (ec94670fcb3b), which no probe shows.
@needs_live_frames
def test_a_packet_and_context_in_and_out(loaded: Object) -> None:
    # struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
    context = struct.pack("6I", 0, len(PACKET), 0, 1, 0, 0)
    run = loaded.programs["xdp_context_prog"].test_run(PACKET, context=context)
    assert (run.retval, run.data) == (1, b"\xec" * 4 + PACKET)
    data, data_end, _, ifindex, *_ = struct.unpack("6I", run.context)
    assert (data_end - data, ifindex) == (68, 1)


def test_an_skb_context_comes_out(loaded: Object) -> None:
    mark = 8  # struct __sk_buff: len, pkt_type, mark
    context = bytearray(192)
    struct.pack_into("I", context, mark, 41)
    run = loaded.programs["tc_first_prog"].test_run(PACKET, context=bytes(context))
    assert struct.unpack_from("I", run.context, mark)[0] == 42
    assert (run.retval, run.data) == (0xFFFFFFFF, PACKET)


def test_repeats_are_run_and_timed(loaded: Object) -> None:
    run = loaded.programs["xdp_first_prog"].test_run(PACKET, repeat=10_000)
    assert loaded.globals.first_saw == 10_000
    assert 0 < run.duration < 100_000


@needs_frags  # since the same version as the check: 1c1949982524
def test_packets_that_the_kernel_refuses(loaded: Object) -> None:
    for bad in (b"", bytes(13)):
        with pytest.raises(KernelError, match=r"EINVAL"):
            loaded.programs["xdp_first_prog"].test_run(bad)


def test_contexts_that_the_kernel_refuses(loaded: Object) -> None:
    with pytest.raises(KernelError):
        loaded.programs["xdp_first_prog"].test_run(PACKET, context=b"\xff" * 24)


def test_program_information(loaded: Object) -> None:
    program = loaded.programs["xdp_context_prog"]
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert now - 60 * 10**9 < program.load_time < now
    assert (program.name, program.full_name()) == ("xdp_context_pro", "xdp_context_prog")
    with open_program(program.id) as again:
        assert (again.id, again.full_name()) == (program.id, "xdp_context_prog")
    ids = sorted(map_.info.id for map_ in loaded.maps.values())
    assert sorted(loaded.programs["xdp_first_prog"].map_ids()) == ids
    with pytest.raises(KernelError, match=r"program 2147483647: .*ENOENT"):
        open_program(0x7FFFFFFF)


QUESTIONS: dict[str, Callable[[], Answer]] = {
    "program type": lambda: probe.probe_program_type(PROG_SCHED_CLS),
    "map type": lambda: probe.probe_map_type(MAP_RINGBUF),
    "hash": lambda: probe.probe_map_type(MAP_HASH),
    "helper": lambda: probe.probe_helper(PROG_XDP, TRACE_PRINTK),
    "helper of another type": lambda: probe.probe_helper(PROG_XDP, OVERRIDE_RETURN),
    "no helper": lambda: probe.probe_helper(PROG_XDP, NO_SUCH_HELPER),
    "tcx": probe.probe_tcx,
    "xdp link": probe.probe_xdp_link,
    "frags": probe.probe_xdp_frags,
    "live frames": probe.probe_live_frames,
    "kernel BTF": probe.probe_kernel_btf,
}
NOWHERE = {"helper of another type", "no helper"}
SINCE = {"tcx": (6, 6), "frags": (5, 18), "live frames": (5, 18)}
FROM_FILES = {"xdp link", "kernel BTF"}


@pytest.mark.parametrize("question", QUESTIONS)
def test_probes_on_this_kernel(question: str) -> None:
    """Against the kernel's release, which the code itself never looks at."""
    release = tuple(map(int, os.uname().release.split(".")[:2]))
    absent = question in NOWHERE or release < SINCE.get(question, (5, 10))
    assert QUESTIONS[question]() is (Answer.NO if absent else Answer.YES)


def test_probes_of_unknown_types() -> None:
    assert probe.probe_map_type(9999) is not Answer.YES
    assert probe.probe_program_type(9999) is not Answer.YES


@pytest.mark.parametrize("how", ["another user", "no capabilities"])
def test_probes_without_privileges_cannot_tell(how: str) -> None:
    for function in vars(probe).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    child = os.fork()
    if child == 0:
        if how == "another user":
            os.setuid(65534)
        else:
            _drop_capabilities()
        wrong = [
            name
            for name, ask in QUESTIONS.items()
            if ask() is not (Answer.YES if name in FROM_FILES else Answer.UNKNOWN)
        ]
        os.write(1, "".join(wrong).encode())
        os._exit(len(wrong))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _drop_capabilities() -> None:
    header = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3
    assert ctypes.CDLL(None).capset(header, bytes(24)) == 0


def test_probes_without_kernel_btf_cannot_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(probe, "_KERNEL_BTF", str(tmp_path / "none"))
    assert probe.probe_xdp_link.__wrapped__() is Answer.UNKNOWN
    assert probe.probe_kernel_btf.__wrapped__() is Answer.NO
    (tmp_path / "none").write_bytes(b"\0xdp_link_of_ours\0")
    assert probe.probe_xdp_link.__wrapped__() is Answer.NO


def test_the_trace_pipe(loaded: Object) -> None:
    wanted = f"ecbpf test marker {os.getpid()}"
    pipe = lines()

    def again() -> None:
        while not found:
            loaded.programs["xdp_print_prog"].test_run(PACKET)
            time.sleep(0.05)

    found: list[str] = []
    sender = threading.Thread(target=again)
    sender.start()
    try:
        deadline = time.monotonic() + 10
        found.append(next(line for line in pipe if wanted in line or time.monotonic() > deadline))
    finally:
        found.append("")
        sender.join()
        del pipe
    assert wanted in found[0]
    assert not found[0].endswith("\n")


def test_bpffs_is_distinguished_from_other_filesystems(tmp_path: Path) -> None:
    assert bpffs.is_bpffs()
    assert not bpffs.is_bpffs(str(tmp_path))
    assert not bpffs.is_bpffs(str(tmp_path / "none"))
    assert bpffs.pin_name("eth0.100") == "eth0:100"


def test_mounting_bpffs_is_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path)
    try:
        bpffs.mount_bpffs(path)
        assert bpffs.is_bpffs(path)
        assert capfd.readouterr().err == f"ecbpf: mounted bpffs on {path}\n"
        bpffs.mount_bpffs(path)
        assert capfd.readouterr().err == ""
    finally:
        subprocess.run(["umount", path], check=True)


@pytest.mark.parametrize(
    ("around", "path", "words"),
    [
        (["unshare", "--mount"], "/tmp", "where pins would vanish"),
        ([], "/no/such/folder", "no such directory"),
        (["setpriv", "--bounding-set=-all", "--inh-caps=-all"], "/tmp", "EPERM"),
    ],
)
def test_mounting_bpffs_refused(around: list[str], path: str, words: str) -> None:
    script = (
        "from ecbpf.errors import EcbpfError\nfrom ecbpf.kernel.bpffs import mount_bpffs\n"
        f"try:\n mount_bpffs({path!r})\nexcept EcbpfError as error:\n print(error.exit_status, error)"
    )
    # With a shell between, as between `ip netns exec` and the command.
    command = [*around, "sh", "-c", f'{sys.executable} -c "$0"; true', script]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert words in done.stdout
    assert not bpffs.is_bpffs("/tmp")
