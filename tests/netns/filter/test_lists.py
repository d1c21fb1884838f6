"""The filter's lists as files: load, save, list; capacity; and changes by another command meanwhile."""

import errno
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ecbpf.chain.occupant import find_root
from ecbpf.filter.lists import CAPACITY, DROP
from ecbpf.filter.running import find_filter
from ecbpf.kernel.map import Map, open_map
from ecbpf.kernel.uapi import XDP_DROP, XDP_PASS
from tests.netns.filter.snapshot import snapshot
from tests.support.frames import FLOOD  # from 192.0.2.1
from tests.support.pair import Pair
from tests.support.typed import command, done, run, typed

_FILE = """\
# both families, tags, comments

192.0.2.0/24  scanner of ports   # seen on Monday
2001:db8::/32\tsix
10.0.0.1
10.0.0.1 again
"""
_LISTED = "10.0.0.1/32 again\n192.0.2.0/24 scanner of ports\n2001:db8::/32 six\n"


@pytest.fixture
def near(near: str, roots: Pair) -> str:
    done(f"ecbpf filter attach -i {near},{roots.far}")
    return near


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prefixes"
    path.write_text(_FILE)
    return path


def _verdict(interface: str) -> int:
    return find_root(interface).program.test_run(FLOOD).retval


def test_a_saved_list_can_be_loaded(near: str, pair: Pair, file: Path, tmp_path: Path) -> None:
    done(f"ecbpf filter drop -i {near} 10.7.7.7 --tag before")
    assert done(f"ecbpf filter load -i {near} {file}") == f"{near}: 3 added; 4 in the drop set\n"
    assert _verdict(near) == XDP_DROP
    done(f"ecbpf filter undrop -i {near} 10.7.7.7")
    assert done(f"ecbpf filter list -i {near}") == done(f"ecbpf filter save -i {near} -") == _LISTED
    saved = tmp_path / "saved"
    assert done(f"ecbpf filter save -i {near} {saved}") == f"{near}: 3 prefixes written to {saved}\n"
    assert saved.read_text() == _LISTED
    assert run(f"ecbpf filter load -i {pair.far} -", _LISTED) == (
        0,
        f"{pair.far}: 3 added; 3 in the drop set\n",
        "",
    )
    two = f"# {near}\n{_LISTED}# {pair.far}\n{_LISTED}"
    assert done(f"ecbpf filter list -i {near},{pair.far}") == two
    assert run(f"ecbpf filter load -i {near} --replace -", two)[:2] == (
        0,
        f"{near}: 3 renewed; 3 in the drop set\n",
    )


def test_replace(near: str, pair: Pair, file: Path) -> None:
    done(f"ecbpf filter drop -i {near} 10.0.0.1,10.0.0.2,10.0.0.3 --tag old")
    done(f"ecbpf filter allow -i {near} 172.16.0.1")
    line = f"ecbpf filter load -i {near},{pair.far} --replace {file}"
    before = snapshot(near, pair.far)
    said = f"{near}: {{}}2 added, 2 removed, 1 renewed; 3 in the drop set\n"
    said += f"{pair.far}: {{}}3 added; 3 in the drop set\n"
    assert done(f"{line} --dry-run") == said.format("dry run: ", "dry run: ")
    assert snapshot(near, pair.far) == before
    assert done(line) == said.format("", "")
    assert done(f"ecbpf filter list -i {near}") == done(f"ecbpf filter list -i {pair.far}") == _LISTED
    assert done(f"ecbpf filter list -i {near} --allowed") == "172.16.0.1/32\n"
    file.write_text("# nobody\n")
    assert done(f"ecbpf filter load -i {near} {file}") == f"{near}: nothing to change; 3 in the drop set\n"
    assert done(f"ecbpf filter load -i {near} --replace {file}") == f"{near}: 3 removed; 0 in the drop set\n"
    assert _verdict(near) == XDP_PASS


def test_cleared_host_bits_of_a_file_are_reported(near: str, file: Path) -> None:
    file.write_text("10.0.0.0/8\n192.168.56.7/24\n2001:db8::1/32 six\n")
    assert done(f"ecbpf filter load -i {near} {file}") == (
        f"host bits cleared: 192.168.56.7/24 is 192.168.56.0/24, and 1 more\n{near}: 3 added; 3 in the drop set\n"
    )


def test_a_bad_line_late_in_a_long_file_changes_nothing(near: str, pair: Pair, file: Path) -> None:
    lines = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(60000)]
    lines[50000] += "/33 tag"
    file.write_text("\n".join(lines))
    done(f"ecbpf filter drop -i {near} 192.0.2.1")
    before = snapshot(near, pair.far)
    for flag in ("", "--replace"):
        assert typed(f"ecbpf filter load -i {near},{pair.far} {file} {flag}") == (
            *(65, ""),
            f"ecbpf: {file}, line 50001: '10.0.195.80/33': '33' is not a valid prefix length; give 0 to 32\n",
        )
        assert run(f"ecbpf filter load -i {near} - {flag}", "10.0.0.1\n10.0.0\n") == (
            *(65, ""),
            "ecbpf: standard input, line 2: '10.0.0': not an IP address; for instance 192.0.2.7 or 2001:db8::7\n",
        )
    assert snapshot(near, pair.far) == before


def test_one_prefix_more_than_the_drop_set_holds(near: str, pair: Pair, file: Path) -> None:
    full = CAPACITY[DROP]
    with open(file, "w", encoding="ascii") as lines:
        lines.writelines(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(full))
    assert done(f"ecbpf filter load -i {near} {file}") == f"{near}: {full} added; {full} in the drop set\n"
    done(f"ecbpf filter drop -i {near} 10.0.0.0")  # there already
    done(f"ecbpf filter drop -i {near} 2001:db8::/32")  # of the other family
    one_more = f"ecbpf filter drop -i {pair.far},{near} 192.0.2.1"
    assert typed(one_more) == (
        *(65, ""),
        f"ecbpf: {full + 1} IPv4 prefixes: too many for the drop set; "
        f"it holds {full} of each family: list larger networks\n",
    )
    assert find_filter(pair.far).sets.read().count(DROP) == 0, "all are planned before one is changed"
    assert find_filter(near).sets.read().count(DROP) == full + 1
    assert _verdict(near) == _verdict(pair.far) == XDP_PASS
    done(f"ecbpf filter undrop -i {near} 10.0.0.7")
    done(one_more)
    assert _verdict(near) == _verdict(pair.far) == XDP_DROP


def test_one_prefix_more_than_the_allow_set_holds(near: str) -> None:
    some = ",".join(f"10.0.{n >> 8}.{n & 255}" for n in range(1024))
    assert done(f"ecbpf filter allow -i {near} {some}") == f"{near}: 1024 added; 1024 in the allow set\n"
    status, out, err = typed(f"ecbpf filter allow -i {near} 192.0.2.1")
    assert (status, out) == (65, "")
    assert err.startswith("ecbpf: 1025 IPv4 prefixes: too many for the allow set; it holds 1024 of each family")
    done(f"ecbpf filter allow -i {near} 2001:db8::1")


def test_overlapping_prefixes_and_length_0(near: str) -> None:
    done(f"ecbpf filter drop -i {near} 0.0.0.0/0 192.0.2.0/24 192.0.2.1 192.0.2.1/32 ::/0 2001:db8::1")
    assert done(f"ecbpf filter list -i {near}") == "0.0.0.0/0\n192.0.2.0/24\n192.0.2.1/32\n::/0\n2001:db8::1/128\n"
    assert done(f"ecbpf filter undrop -i {near} 192.0.2.1") == (
        f"{near}: 1 removed; 4 in the drop set\n{near}: 192.0.2.1/32 is still covered by 192.0.2.0/24\n"
    )
    assert done(f"ecbpf filter undrop -i {near} 192.0.2.0/24 2001:db8::1") == (
        f"{near}: 2 removed; 2 in the drop set\n"
        f"{near}: 192.0.2.0/24 is still covered by 0.0.0.0/0\n{near}: 2001:db8::1/128 is still covered by ::/0\n"
    )
    assert _verdict(near) == XDP_DROP
    done(f"ecbpf filter undrop -i {near} 0.0.0.0/0 0.0.0.0/0")
    assert _verdict(near) == XDP_PASS
    done(f"ecbpf filter allow -i {near} 0.0.0.0/0")
    done(f"ecbpf filter drop -i {near} 192.0.2.1")
    assert _verdict(near) == XDP_PASS


def test_tags(near: str) -> None:
    longest = "ü" * 31 + "x"
    done(f"ecbpf filter drop -i {near} 10.0.0.1 --tag 'a, b'")
    done(f"ecbpf filter drop -i {near} 10.0.0.2 --tag {longest}")
    done(f"xdp_filter --drop --interface {near} --ips 10.0.0.3,10.0.0.4,10.0.0.5 --tags 'one, two ,'")
    assert done(f"ecbpf filter list -i {near}") == (
        f"10.0.0.1/32 a, b\n10.0.0.2/32 {longest}\n10.0.0.3/32 one\n10.0.0.4/32 two\n10.0.0.5/32\n"
    )
    done(f"ecbpf filter drop -i {near} 10.0.0.1")
    assert done(f"ecbpf filter list -i {near}").startswith("10.0.0.1/32\n"), "the last word on a prefix counts"


def test_a_dry_run_changes_nothing(near: str, pair: Pair, file: Path) -> None:
    done(f"ecbpf filter drop -i {near} 10.0.0.1 10.0.0.2")
    done(f"ecbpf filter allow -i {near} 10.0.0.9")
    before = snapshot(near, pair.far)
    for line, said in (
        ("drop -i {} 10.0.0.1 192.0.2.7/24", "1 added, 1 renewed; 3 in the drop set"),
        ("undrop -i {} 10.0.0.1", "1 removed; 1 in the drop set"),
        ("allow -i {} 10.0.0.1", "1 added; 2 in the allow set"),
        ("unallow -i {} 10.0.0.9", "1 removed; 0 in the allow set"),
        ("flush -i {}", "2 removed; 0 in the drop set"),
        (f"load -i {{}} {file}", "2 added, 1 renewed; 4 in the drop set"),
        ("load -i {} /dev/null", "nothing to change; 2 in the drop set"),
    ):
        out = done(f"ecbpf filter {line.format(near)} --dry-run").splitlines()[-1]
        assert out == f"{near}: dry run: {said}"
        assert snapshot(near, pair.far) == before
    status, _, err = typed(f"ecbpf filter undrop -i {near} 10.0.0.7 --dry-run")
    assert (status, "not in the drop set" in err) == (1, True)


def test_a_failed_save_keeps_the_old_file_and_devices_stay_devices(near: str, tmp_path: Path) -> None:
    done(f"ecbpf filter drop -i {near} 10.0.0.1")
    target, link, device = tmp_path / "target", tmp_path / "link", tmp_path / "device"
    target.write_text("old")
    link.symlink_to("target")
    assert done(f"ecbpf filter save -i {near} {link}") == f"{near}: 1 prefix written to {link}\n"
    assert link.is_symlink()
    assert target.read_text() == "10.0.0.1/32\n"
    os.mknod(device, 0o20600, os.makedev(1, 3))  # a second /dev/null
    done(f"ecbpf filter save -i {near} {device}")
    assert device.is_char_device()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["device", "link", "target"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_save_keeps_owner_and_mode(near: str, tmp_path: Path, umask: int, mode: int) -> None:
    saved = tmp_path / "saved"
    before = os.umask(umask)
    try:
        done(f"ecbpf filter save -i {near} {saved}")
        assert saved.stat().st_mode & 0o7777 == mode
        assert os.umask(umask) == umask
        saved.chmod(0o640)
        os.chown(saved, 1234, 2345)
        done(f"ecbpf filter save -i {near} {saved}")
    finally:
        os.umask(before)
    now = saved.stat()
    assert (now.st_mode & 0o7777, now.st_uid, now.st_gid) == (0o640, 1234, 2345)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_tags_that_the_terminal_cannot_show(near: str, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """Files and JSON stay UTF-8; other output is escaped."""
    done(f"ecbpf filter drop -i {near} 192.0.2.1 --tag '€ü'")
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    for verb in ("list", "save - -i", "list --json", "status --json", "check --json 192.0.2.1"):
        result = run(f"ecbpf filter {verb.removesuffix(' -i')} -i {near}")
        assert (result.status, result.err, "€ü" in result.out) == (0, "", True), verb
    for line in (
        f"ecbpf filter status -i {near}",
        f"xdp_filter --status --interface {near}",
        f"ecbpf filter check -i {near} 192.0.2.1",
    ):
        shown = subprocess.run(command(line), check=False, capture_output=True)
        assert (shown.returncode, shown.stderr) == (0, b"")
        assert ("€ü".encode(encoding, "backslashreplace")) in shown.stdout


def test_progress_only_on_a_terminal(near: str, file: Path) -> None:
    file.write_text("".join(f"10.0.{n >> 8}.{n & 255}\n" for n in range(40000)))
    terminal, end = pty.openpty()
    line = command(f"ecbpf filter load -i {near} {file}")
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=end, text=True) as process:
        os.close(end)
        shown = _all_of(terminal)
        out, _ = process.communicate()
    os.close(terminal)
    assert (process.returncode, out) == (0, f"{near}: 40000 added; 40000 in the drop set\n")
    assert shown.startswith("\r")
    assert "40,000 lines" in shown
    assert shown.endswith("\r\033[K"), "nothing is left of it"
    assert run(f"ecbpf filter load -i {near} {file}").err == ""


def _all_of(terminal: int) -> str:
    """Everything that is written to a terminal until its other ends are closed."""
    shown = b""
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError as error:
            if error.errno == errno.EIO:
                return shown.decode()
            raise
        shown += more


def test_reading_while_another_command_changes_the_sets(near: str) -> None:
    """A reader sees the lists from before a change or from after it."""
    script = (
        "from ecbpf.cli.main import main\n"
        "for _ in range(4):\n"
        f"    main(['filter', 'drop', '-i', '{near}', '10.0.0.1,10.0.0.2,2001:db8::/32'])\n"
        f"    main(['filter', 'undrop', '-i', '{near}', '10.0.0.2,2001:db8::/32'])\n"
    )
    done(f"ecbpf filter drop -i {near} 10.0.0.1")
    changing = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
    seen = set()
    while changing.poll() is None:
        seen.add(done(f"ecbpf filter list -i {near}"))
    assert changing.returncode == 0
    assert seen == {"10.0.0.1/32\n", "10.0.0.1/32\n10.0.0.2/32\n2001:db8::/32\n"}


def test_a_list_that_is_replaced_while_it_is_opened(near: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done(f"ecbpf filter drop -i {near} 10.0.0.1")
    others = [f"ecbpf filter drop -i {near} 10.0.0.2"]

    def open_late(number: int) -> Map:
        if others:
            assert run(others.pop()).status == 0
        return open_map(number)

    monkeypatch.setattr("ecbpf.filter.sets.open_map", open_late)
    assert done(f"ecbpf filter list -i {near}") == "10.0.0.1/32\n10.0.0.2/32\n"
