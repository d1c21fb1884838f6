"""Run `ip`, `ethtool` and the like, and report a failure in one line."""

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from ecbpf.errors import EcbpfError, MissingError, NotPermittedError

__all__ = ["require", "run"]

_PACKAGES = {"ip": "iproute2", "bridge": "iproute2", "nft": "nftables", "unshare": "util-linux"}

# The shell of `su` without `-` has no sbin on its PATH, where ethtool is.
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def require(*tools: str) -> None:
    """Raise MissingError unless each of `tools` is installed."""
    for tool in tools:
        if shutil.which(tool, path=_PATH) is None:
            raise MissingError(tool, "not installed", f"apt-get install {_PACKAGES.get(tool, tool)}")


def run(*command: str, script: Sequence[str] = ()) -> str:
    """Run `command` with the lines of `script` as its input, and return what it prints.

    Raises EcbpfError if it fails, with the first line it wrote to stderr: NotPermittedError
    without the privileges, MissingError if a tool or a kernel feature is missing.
    """
    require(command[0])
    done = subprocess.run(
        command,
        check=False,
        # Children inherit the descriptor of the lock: see lock.py.
        close_fds=False,
        env=os.environ | {"PATH": _PATH, "LC_ALL": "C"},
        input="".join(f"{line}\n" for line in script),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise _error(command, script, done.stderr)
    return done.stdout


def _error(command: Sequence[str], script: Sequence[str], stderr: str) -> EcbpfError:
    what = " ".join(command)
    failed = re.search(r"Command failed -:(\d+)", stderr)
    if failed:
        what = f"{what.removesuffix(' -batch -')} {script[int(failed[1]) - 1]}"
    why = next((line.strip().rstrip(".") for line in stderr.splitlines() if line.strip()), "failed")
    if os.strerror(errno.EPERM) in why:
        return NotPermittedError(what, errno.EPERM, "run it as root")
    if "Unknown device type" in why:
        return MissingError(what, why, "the kernel needs CONFIG_VETH, or the veth module loaded")
    return EcbpfError(what, why)
