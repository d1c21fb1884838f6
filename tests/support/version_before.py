"""The version before this one, from git's history, and this one: each as commands in separate processes.

Nothing here depends on the internals of either version.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

__all__ = ["Version", "this_version", "version_before", "why_absent"]

# The last commit of the version whose installations are taken over; to be updated after a release.
_COMMIT = "bc54de4edfdc72925e1067e2dae713758d31f021"
_CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# At that commit: a subprogram that counts packets in a map and in a global variable.
_SUBPROGRAM = "tests/netns/bpf/verdicts.bpf.c"
# git refuses a checkout that belongs to another user, and root may run the tests in one.
_GIT = ("git", "-c", "safe.directory=*", "-C", _CHECKOUT)

_RUN_LINES = """
import contextlib, io, json, shlex, sys
from ecbpf.cli.main import main
printed = []
for line in sys.stdin:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = main(shlex.split(line))
    if status:
        sys.exit(f"ecbpf {line}: exit status {status}")
    printed.append(out.getvalue())
print(json.dumps(printed))
"""


class Version:
    """A checkout with compiled kernel programs."""

    def __init__(self, folder: str, subprogram: str) -> None:
        """subprogram: the object of _SUBPROGRAM, compiled with this version's headers."""
        self.folder = folder
        self.subprogram = subprogram

    def python(self, *words: str, text: str = "") -> str:
        """The output of Python with this checkout's package; it must succeed without a warning."""
        done = subprocess.run(
            [sys.executable, *words],
            check=False,
            capture_output=True,
            text=True,
            input=text,
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": os.path.join(self.folder, "src")},
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{self.folder}: {done.stderr}"
        return done.stdout

    def run(self, *lines: str) -> list[str]:
        """The output of ``ecbpf`` commands, given without that word, run one after another in one process."""
        printed: list[str] = json.loads(self.python("-c", _RUN_LINES, text="\n".join(lines)))
        return printed

    def read(self, *lines: str) -> list[Any]:
        """The same as JSON."""
        return [json.loads(printed) for printed in self.run(*lines)]


def this_version(subprogram: str) -> Version:
    """The checkout that this file is in."""
    return Version(_CHECKOUT, subprogram)


def why_absent() -> str:
    """Why the version before is not available here; "" if it is."""
    if shutil.which("git") is None:
        return "git is not installed"
    command = [*_GIT, "cat-file", "-e", f"{_COMMIT}^{{commit}}"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    if found.returncode == 0:
        return ""
    return f"no commit {_COMMIT} here: a source package or a shallow clone? git says: {found.stderr.strip()}"


def version_before(folder: str) -> Version:
    """Extract that version into a folder, and compile its kernel programs by its own build."""
    paths = ["src", "bpf", "hatch_build.py", _SUBPROGRAM]
    archive = subprocess.run([*_GIT, "archive", _COMMIT, *paths], check=True, capture_output=True).stdout
    subprocess.run(["tar", "x", "-C", folder], check=True, input=archive)
    version = Version(folder, os.path.join(folder, "verdicts.bpf.o"))
    version.python("hatch_build.py")
    version.python("-m", "ecbpf.build", _SUBPROGRAM, "-o", version.subprogram)
    return version
