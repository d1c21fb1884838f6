"""Packages of any Debian suite, from this machine's mirror, with its signatures checked.

This machine's own lists and sources stay as they are: apt works in a separate folder.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable

from ecbpf.errors import EcbpfError, MissingError

__all__ = ["Suite", "highest"]

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Suite:
    """A suite's current packages; apt keeps its lists in `folder`.

    Raises MissingError if this machine has no Debian mirror, EcbpfError if it does not answer.
    """

    def __init__(self, name: str, folder: str) -> None:
        self.name = name
        self._options = _private_state(name, folder)
        _run("apt-get", *self._options, "-qq", "--error-on=any", "update")

    def newest(self, pattern: str) -> str:
        """The package whose name matches `pattern` in full; of several, the one with the highest version.

        Raises MissingError if there is none.
        """
        names = _run("apt-cache", *self._options, "pkgnames", "linux-image-").split()
        found = highest(names, pattern)
        if found is None:
            raise MissingError(self.name, f"has no package {pattern}", "see tests/vm/kernels.py")
        return found

    def version(self, package: str) -> str:
        """The version of `package`."""
        shown = _run("apt-cache", *self._options, "show", "--no-all-versions", package)
        found = re.search(r"^Version: (.+)$", shown, re.MULTILINE)
        assert found is not None
        return found[1]

    def parts(self, package: str) -> set[str]:
        """The packages with the kernel `package` and its modules: itself, or what it depends on."""
        shown = _run("apt-cache", *self._options, "depends", "--important", package)
        depends = re.findall(r"^ *\|?Depends: (linux-(?:base|image|binary|modules)-\d.*)$", shown, re.MULTILINE)
        found = set().union(*map(self.parts, depends))
        # A meta-package is empty, and some mirrors do not even have it.
        return found if any(re.match("linux-(image|binary)-", name) for name in depends) else found | {package}

    def download(self, packages: set[str], folder: str) -> list[str]:
        """Fetch `packages` into `folder`; returns the paths of the files, each checked against the suite."""
        shutil.chown(folder, "_apt")
        _run("apt-get", *self._options, "-qq", "download", *sorted(packages), cwd=folder)
        return sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".deb"))


def highest(names: Iterable[str], pattern: str) -> str | None:
    """Of the `names` that match `pattern` in full, the one with the highest version in it, if any."""
    matching = [name for name in names if re.fullmatch(pattern, name)]
    return max(matching, key=lambda name: [int(number) for number in re.findall(r"\d+", name)], default=None)


def _private_state(suite: str, folder: str) -> list[str]:
    """Make the files that apt needs to use nothing but `suite`; returns the options for them."""
    os.makedirs(os.path.join(folder, "lists", "partial"), exist_ok=True)
    shutil.chown(os.path.join(folder, "lists", "partial"), "_apt")
    sources = os.path.join(folder, "sources.list")
    with open(sources, "w", encoding="utf-8") as file:
        file.write(f"deb [signed-by={_KEYRING}] {_mirror(suite)} {suite} main\n")
    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State": folder,
        # Versions that are installed here are not candidates.
        "Dir::State::Status": "/dev/null",
        "Dir::Cache": os.path.join(folder, "cache"),
        "Acquire::Languages": "none",
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": "20",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _mirror(suite: str) -> str:
    """The address of this machine's mirror for its own release: for security fixes, or for the rest."""
    wanted = _codename() + ("-security" if suite.endswith("-security") else "")
    shown = _run(
        "apt-get", "indextargets", "--format", "$(CODENAME) $(RELEASE) $(REPO_URI)", "Created-By: Packages"
    )
    for line in shown.splitlines():
        codename, release, address = line.split(" ", 2)
        if wanted in (codename, release):
            return address
    raise MissingError(wanted, "not among this machine's apt sources", "add it to /etc/apt/sources.list.d")


def _codename() -> str:
    with open("/etc/os-release", encoding="utf-8") as file:
        found = re.search(r"^VERSION_CODENAME=(\w+)$", file.read(), re.MULTILINE)
    if found is None:
        raise MissingError("/etc/os-release", "names no release of Debian", "fetch the kernels on Debian 12")
    return found[1]


def _run(*command: str, cwd: str | None = None) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd)
    except FileNotFoundError as error:
        raise MissingError(command[0], "not installed", "fetch the kernels on Debian 12") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        # The first error is the cause of those that follow.
        why = next((line for line in lines if line.startswith("E: ")), lines[0])
        verb = next(word for word in command[1:] if re.fullmatch("[a-z]+", word))
        raise EcbpfError(f"{command[0]} {verb}", why.removeprefix("E: "), "is the mirror reachable?")
    return done.stdout
