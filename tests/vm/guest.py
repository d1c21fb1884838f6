"""Run a command in a guest: its output appears here as it is printed, its exit status at the end."""

import errno
import os
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO, Self

from ecbpf.errors import DataError, EcbpfError, NotPermittedError
from tests.vm.kernels import Image
from tests.vm.machine import machine

__all__ = ["MEMORY", "SHARE", "TIMEOUT", "Guest", "GuestError", "GuestTimeoutError"]

# MiB: a BPF map of 300, and the files that tests write, which take memory too.
MEMORY = 3072
# Seconds.
TIMEOUT = 600.0
# Where the guest sees `Guest.share`.
SHARE = "/run/share"

_CONTROL = "/run/guest"
_CONSOLE_LINES = 60

# Pipes, since a command may reopen /dev/stdout, which would truncate a file. Processes that it leaves running may
# hold them open, so their end is waited for, but not for ever.
_COMMAND = """\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export ECBPF_GUEST={kernel} ECBPF_GUEST_RELEASE={release}
cd {folder} 2>>{control}/stderr || exit
mkfifo /run/stdout /run/stderr
cat /run/stdout >>{control}/stdout &
out=$!
cat /run/stderr >>{control}/stderr &
err=$!
: >{control}/up
setsid --wait {command} </dev/null >/run/stdout 2>/run/stderr
echo $? >{control}/status.new
for tenth in 1 2 3 4 5 6 7 8 9 10; do
	kill -0 $out || kill -0 $err || break
	sleep 0.1
done 2>/dev/null
mv {control}/status.new {control}/status
sleep infinity
"""


class GuestError(EcbpfError):
    """The guest did not boot or died: the command's status is unknown. `console` has the last console output."""

    exit_status = 125

    def __init__(self, what: str, why: str, console: str) -> None:
        super().__init__(what, why, "its console is above")
        self.console = console


class GuestTimeoutError(GuestError):
    """The command did not end in time."""

    exit_status = 124


@dataclass(slots=True)
class Guest:
    """A machine that boots `image`, for one command.

    memory: MiB. timeout: seconds for boot and command together. share: a folder of this machine
    that the guest sees, writable, as SHARE; "" for none. stdout, stderr: where the command's go.
    up: called when the command starts, with the seconds that booting took.
    """

    image: Image
    stdout: BinaryIO
    stderr: BinaryIO
    memory: int = MEMORY
    timeout: float = TIMEOUT
    share: str = ""
    up: Callable[[float], None] = lambda _seconds: None

    def run(self, command: Sequence[str]) -> int:
        """Run `command` in this folder, as the guest sees it; returns its exit status.

        Nothing of the guest is left afterwards, however this ends.
        Raises GuestError, GuestTimeoutError, MissingError, NotPermittedError, and DataError for `share`.
        """
        if os.geteuid() != 0:
            raise NotPermittedError("guest", errno.EPERM, "run it as root")
        if self.share and not os.path.isdir(self.share):
            raise DataError(self.share, "is not a folder", "make it first")
        name = f"guest {self.image.kernel.name}"
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="ecbpf-guest-") as folder:
            control = os.path.join(folder, "control")
            logs = os.path.join(folder, "logs")
            os.mkdir(control)
            os.mkdir(logs)
            self._write_command(control, command)
            shares = {"control": (control, _CONTROL)}
            if self.share:
                shares["share"] = (self.share, SHARE)
            with ExitStack() as stack:
                streams = [
                    stack.enter_context(_Stream(control, "stdout", self.stdout)),
                    stack.enter_context(_Stream(control, "stderr", self.stderr)),
                ]
                qemu = stack.enter_context(machine(self.image, shares, logs, self.memory))
                came_up = False
                while True:
                    # Asked before the streams are read, so that they contain all output until then.
                    ended = qemu.poll() is not None
                    status = _read(control, "status")
                    if not came_up and os.path.exists(os.path.join(control, "up")):
                        came_up = True
                        self.up(time.monotonic() - start)
                    for stream in streams:
                        stream.forward()
                    if status:
                        return int(status)
                    if ended:
                        raise GuestError(name, "ended without a status", _last_words(logs))
                    if time.monotonic() - start > self.timeout:
                        raise GuestTimeoutError(name, f"not done in {self.timeout:g} s", _last_words(logs))
                    time.sleep(0.05)

    def _write_command(self, control: str, command: Sequence[str]) -> None:
        text = _COMMAND.format(
            kernel=shlex.quote(self.image.kernel.name),
            release=shlex.quote(self.image.release),
            folder=shlex.quote(os.getcwd()),
            control=_CONTROL,
            command=shlex.join(command),
        )
        with open(os.path.join(control, "command"), "w", encoding="utf-8") as file:
            file.write(text)


class _Stream:
    """Forwards what the guest appends to a file, as it comes."""

    def __init__(self, folder: str, name: str, to: BinaryIO) -> None:
        self._path = os.path.join(folder, name)
        self._to = to

    def __enter__(self) -> Self:
        self._from = open(self._path, "w+b", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._from.close()

    def forward(self) -> None:
        while text := self._from.read(1 << 16):
            self._to.write(text)
            self._to.flush()


def _read(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _last_words(logs: str) -> str:
    """The end of the console, and the messages of the programs that ran the guest."""
    programs = sorted(name for name in os.listdir(logs) if name.endswith(".log"))
    console = _read(logs, "console").splitlines()[-_CONSOLE_LINES:]
    return "\n".join([*console, *(_read(logs, name).strip() for name in programs)]).strip()
