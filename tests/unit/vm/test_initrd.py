"""The archive that a guest boots from, read by another program."""

import os
import subprocess
from pathlib import Path

from tests.vm.initrd import File, cpio


def test_the_archive_unpacks_to_its_input(tmp_path: Path) -> None:
    files = {"a": b"", "folder/odd": b"12345", "folder/even": bytes(range(256)) * 16, "a name": b"x"}
    archive = cpio(
        [
            File("folder", 0o040750),
            *(File(name, 0o100755 if name == "a" else 0o100640, data) for name, data in files.items()),
        ]
    )
    subprocess.run(["busybox", "cpio", "-i"], input=archive, cwd=tmp_path, check=True, stderr=subprocess.PIPE)
    found = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == files
    assert {name: os.stat(path).st_mode & 0o777 for name, path in found.items()} == {
        name: 0o755 if name == "a" else 0o640 for name in files
    }
    assert os.stat(tmp_path / "folder").st_mode & 0o777 == 0o750


def test_a_device_is_archived_as_a_device() -> None:
    archive = cpio([File("console", 0o020600, device=(5, 1))])
    assert archive[78:94] == b"0000000500000001"
    shown = subprocess.run(["busybox", "cpio", "-tv"], input=archive, capture_output=True, check=True)
    assert shown.stdout.startswith(b"crw-------")
