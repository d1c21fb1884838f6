"""``python -m tests.vm.matrix``: the tests on each kernel, one guest after another, and a table of outcomes."""

import argparse
import os
import re
import signal
import sys
import tempfile
import time

from ecbpf.cli.main import run
from tests.vm import suite, tally
from tests.vm.guest import MEMORY, SHARE, Guest, GuestError
from tests.vm.kernels import KERNELS, Image, find_image, find_kernel
from tests.vm.results import Result, read_outcomes, table

__all__ = ["main"]

# Each series once.
_DEFAULT = "5.10,6.1,6.12,6.18,7.x"


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vm.matrix",
        description="Run tests on several kernels, in guests; exit status 1 if one fails.",
    )
    parser.add_argument(
        "--kernels", metavar="NAMES", default=_DEFAULT, help=f"of {', '.join(KERNELS)}; default {_DEFAULT}"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=suite.TIMEOUT,
        help=f"per kernel; default {suite.TIMEOUT:g}",
    )
    parser.add_argument(
        "tests",
        nargs="*",
        metavar="TEST",
        help="files, folders or tests, as pytest takes them; default: tests/vm/suite.py",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the command line `argv`; returns the exit status."""
    options = _arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return run(lambda: _on_each(options))


def _on_each(options: argparse.Namespace) -> int:
    names = re.split(r"[ ,]+", options.kernels.strip())
    # Check all of them before an hour is spent on the first.
    images = [find_image(find_kernel(name)) for name in dict.fromkeys(names)]
    results = [_on(image, suite.arguments(options.tests), options.timeout) for image in images]
    print(table(results))
    return 1 if any(result.failed or result.error for result in results) else 0


def _on(image: Image, tests: list[str], timeout: float) -> Result:
    """The tests on one kernel."""
    name = image.kernel.name
    print(f"{name}: Linux {image.release}", flush=True)
    environment = suite.ENVIRONMENT | {tally.PATH_VARIABLE: f"{SHARE}/tally"}
    command = ["env", *(f"{key}={value}" for key, value in environment.items())]
    command += [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--durations=15",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.vm.tally",
        *tests,
    ]
    result = Result(name)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ecbpf-matrix-") as share:
        try:
            guest = Guest(image, sys.stdout.buffer, sys.stderr.buffer, MEMORY, timeout, share)
            status = guest.run(command)
        except GuestError as error:
            print(error.console, file=sys.stderr)
            result.error = f"{error.what}: {error.why}"
        result.outcomes = read_outcomes(os.path.join(share, "tally"))
    # 1 means that tests failed, which are then known by name.
    if not result.error and (status > 1 or not result.outcomes or (status == 1 and not result.failed)):
        result.error = f"pytest ended with status {status}"
    print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
