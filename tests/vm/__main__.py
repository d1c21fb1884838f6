"""``python -m tests.vm -- COMMAND``: run a command in a guest, in this folder."""

import argparse
import signal
import sys

from ecbpf.cli.main import run
from ecbpf.errors import UsageError
from tests.vm.guest import MEMORY, SHARE, TIMEOUT, Guest, GuestError
from tests.vm.kernels import DEFAULT, KERNELS, find_image, find_kernel

__all__ = ["main"]


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vm",
        usage="%(prog)s [--kernel NAME] [--memory MIB] [--timeout SECONDS] [--share FOLDER] -- COMMAND ...",
        description="Boot a Debian kernel in qemu, with this machine's files, and run a command there.",
        epilog="The exit status is the command's; 124: the time was up, 125: the guest failed.",
    )
    parser.add_argument(
        "--kernel", metavar="NAME", default=DEFAULT, help=f"{', '.join(KERNELS)}; default {DEFAULT}"
    )
    parser.add_argument("--memory", metavar="MIB", type=int, default=MEMORY, help=f"default {MEMORY}")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=TIMEOUT, help=f"default {TIMEOUT:g}")
    parser.add_argument("--share", metavar="FOLDER", default="", help=f"to be writable in the guest, as {SHARE}")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, and its arguments")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command line `argv`; returns the command's exit status."""
    options = _arguments(argv)
    # Processes are ended in `finally` blocks: make SIGTERM reach them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return run(lambda: _in_guest(options))


def _in_guest(options: argparse.Namespace) -> int:
    if options.memory < 512:
        raise UsageError("--memory", f"{options.memory} MiB are too little to boot", "give 512 or more")
    image = find_image(find_kernel(options.kernel))
    guest = Guest(
        image,
        sys.stdout.buffer,
        sys.stderr.buffer,
        options.memory,
        options.timeout,
        options.share,
        up=lambda seconds: print(f"guest: Linux {image.release} after {seconds:.1f} s", file=sys.stderr),
    )
    try:
        return guest.run(options.command)
    except GuestError as error:
        print(error.console, file=sys.stderr)
        raise


if __name__ == "__main__":
    sys.exit(main())
