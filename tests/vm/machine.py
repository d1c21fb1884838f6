"""The processes of a guest: qemu, and a file server for each folder of this machine that it sees."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ecbpf.errors import MissingError
from tests.vm.initrd import initrd
from tests.vm.kernels import Image

__all__ = ["CPUS", "machine"]

CPUS = 2

_VIRTIOFSD = "/usr/lib/qemu/virtiofsd"

# mitigations, audit: they cost time, and protect nothing here. nokaslr: a panic's addresses can be looked up.
# tsc=reliable: an emulated TSC fails the kernel's comparison with other clocks, and what replaces it is slow.
# random.trust_cpu: nothing waits for randomness. oops=panic, panic=-1: a bug ends the guest.
_ARGUMENTS = (
    "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off nokaslr tsc=reliable audit=0 "
    "random.trust_cpu=on"
)


@contextmanager
def machine(
    image: Image, shares: dict[str, tuple[str, str]], folder: str, memory: int
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a guest for the length of a with-block; gives its qemu, which ends early if the guest fails.

    It has `memory` MiB and two CPUs. It sees this machine's root read-only, below what it writes itself, and
    the `shares`, writable: for each tag, the folder here and the folder there. `folder` is an empty one for
    sockets and logs: `console` has the kernel's output, `qemu.log` and `TAG.log` that of the processes.

    Raises MissingError if a program is not installed.
    """
    initial = os.path.join(folder, "initrd")
    with open(initial, "wb") as file:
        file.write(initrd(image, {tag: there for tag, (_, there) in shares.items()}))
    command = [
        "qemu-system-x86_64",
        *("-nodefaults", "-no-reboot", "-display", "none"),
        # Up to 512 MiB of translated code is cached; the rest is translated again.
        *("-accel", "tcg,thread=multi,tb-size=512"),
        # Reading an emulated HPET takes the emulator's big lock.
        *("-machine", "q35,hpet=off"),
        *("-cpu", "max", "-smp", str(CPUS), "-m", str(memory)),
        # The file servers read and write the guest's memory.
        *("-object", f"memory-backend-memfd,id=memory,size={memory}M,share=on", "-numa", "node,memdev=memory"),
        *("-device", "virtio-rng-pci"),
        *("-serial", f"file:{os.path.join(folder, 'console')}"),
        *("-kernel", image.vmlinuz, "-initrd", initial, "-append", _ARGUMENTS),
    ]
    with ExitStack() as stack:
        # The root does not change while the guest runs; files in a share do.
        stack.enter_context(_served("root", "/", folder, "always"))
        for tag, (here, _) in shares.items():
            stack.enter_context(_served(tag, here, folder, "none"))
        for tag in ("root", *shares):
            command += ["-chardev", f"socket,id={tag},path={_socket(folder, tag)}"]
            command += ["-device", f"vhost-user-fs-pci,chardev={tag},tag={tag}"]
        yield stack.enter_context(_process(command, os.path.join(folder, "qemu.log")))


def _socket(folder: str, tag: str) -> str:
    return os.path.join(folder, f"{tag}.socket")


@contextmanager
def _served(tag: str, source: str, folder: str, cache: str) -> Iterator[None]:
    """Serve the folder `source` for the length of a with-block."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(_socket(folder, tag))
        listening.listen(1)
        # Given a path instead, it would leave a lock file in /run.
        descriptor = listening.fileno()
        command = [
            _VIRTIOFSD,
            f"--fd={descriptor}",
            "-o",
            f"source={source},cache={cache},sandbox=chroot,log_level=err",
        ]
        with _process(command, os.path.join(folder, f"{tag}.log"), (descriptor,)):
            # Otherwise nothing notices that the server is missing.
            listening.close()
            yield


@contextmanager
def _process(command: Sequence[str], log: str, pass_fds: Sequence[int] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` for the length of a with-block, or until this process is killed."""
    if shutil.which(command[0]) is None:
        raise MissingError(command[0], "not installed", "make setup")
    with open(log, "wb") as file:
        # A session of its own: Ctrl-C reaches only this process, which ends the others.
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
