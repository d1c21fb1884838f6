"""The demonstration: the root array and the filter at work in the lab, by commands as typed (`make demo`).

Exits with status 0 only if everything worked, and removes what it made in any case.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from ecbpf import lab
from ecbpf.chain.attach import detach
from ecbpf.chain.status import status
from ecbpf.errors import BusyError, EcbpfError, NotPermittedError

SERVER, CLIENT = "ecbpf lab exec server --", "ecbpf lab exec client --"
IP4, IP6 = "192.168.56.10", "fd00:56::10"
VIP = "192.168.56.100"
PAGE_BYTES = 200_000
TRACE, PAGE, LIST = "trace.txt", "page", "prefixes.txt"
A_MILLION = 1_000_000
PATIENCE = 5.0  # seconds to wait for things that take milliseconds
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str) -> None:
    """Print a paragraph for the reader."""
    print("\n" + "\n".join(f"# {line}" for line in text.splitlines()), flush=True)


class Stage:
    """Where the commands run: in a folder of its own, with .venv/bin first on PATH."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        path = f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', os.defpath)}"
        self._environment = os.environ | {"PATH": path, "LC_ALL": "C"}

    @contextlib.contextmanager
    def running(self, command: str) -> Iterator["subprocess.Popen[str]"]:
        """Run the command during the block; afterwards end it and all processes that it started."""
        process = None
        try:
            # A stop signal that comes now takes effect after this block, when `process` is known.
            with _held_back():
                process = subprocess.Popen(
                    ["bash", "-eo", "pipefail", "-c", command],
                    cwd=self.folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    process_group=0,  # Ctrl-C reaches only this process
                    preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS),  # noqa: PLW1509
                )
            yield process
        finally:
            if process is not None:
                _end(process)

    @contextlib.contextmanager
    def background(self, command: str) -> Iterator["subprocess.Popen[str]"]:
        """running(), for a simple command, shown as typed; the process is the command itself, not a shell."""
        print(f"$ {command} &", flush=True)
        with self.running(f"exec {command}") as process:
            yield process

    def run(self, command: str) -> str:
        """Run the command, show it and its output, and return the output. Raises EcbpfError if it fails."""
        print(f"$ {command}", flush=True)
        with self.running(command) as process:
            output = finish(process, command)
        print(output, end="", flush=True)
        return output


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _end(process: "subprocess.Popen[str]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=PATIENCE)
            return


def finish(process: "subprocess.Popen[str]", command: str) -> str:
    """Wait for a command to end, and return its output. Raises EcbpfError if it fails."""
    try:
        output, _ = process.communicate(timeout=6 * PATIENCE)
    except subprocess.TimeoutExpired:
        raise EcbpfError(command, "does not end") from None
    if process.returncode:
        print(output, end="", flush=True)
        raise EcbpfError(command, f"exit status {process.returncode}")
    return output


def check(holds: bool, what: str) -> None:
    """Raise EcbpfError unless `what` holds."""
    if not holds:
        raise EcbpfError("demo", f"not as it should be: {what}")


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Wait until ready() is true. Raises EcbpfError if that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)


def frames() -> tuple[int, int]:
    """Frames that the server's interface has received, and that the root array has counted, at one moment."""
    with lab.inside("server"):
        while True:
            received = _received()
            (interface,) = status(["eth0"])
            counted = sum(interface.root.counts.values()) if interface.root else 0
            if received == _received():
                return received, counted


def _received() -> int:
    shown = subprocess.run(
        ["ip", "-s", "-json", "link", "show", "eth0"], check=True, capture_output=True, text=True
    ).stdout
    return int(json.loads(shown)[0]["stats64"]["rx"]["packets"])


def attach(stage: Stage) -> int:
    """Build the lab and attach the root array; returns the number of frames that came before it."""
    say("A server and a client, two network namespaces joined by a wire.")
    stage.run("ecbpf lab up")
    say("The root array on the server's interface: eight slots, all free. Slot 6 gets the debug printer.")
    stage.run(f"{SERVER} ecbpf attach eth0")
    received, counted = frames()
    stage.run(f"{SERVER} ecbpf printk attach -i eth0")
    return received - counted


def traffic(stage: Stage) -> None:
    """Pings and a download, and their lines in the trace."""
    trace = os.path.join(stage.folder, TRACE)
    say("Real traffic, with the trace running: pings in both families, and a page over TCP.")
    with stage.background(f"ecbpf trace >> {TRACE}") as tracing:
        _forget_older_lines(tracing.pid, trace)
        stage.run(f"{CLIENT} ping -c 2 -i 0.2 {IP4}")
        stage.run(f"{CLIENT} ping -c 2 -i 0.2 {IP6}")
        with stage.background(f"{SERVER} python3 -m http.server --bind {IP4} 8000"):
            wait_until(_is_listening, "the web server listens")
            fetched = stage.run(
                f"{CLIENT} python3 -c 'from urllib.request import urlopen; "
                f'print(len(urlopen("http://{IP4}:8000/{PAGE}").read()), "bytes")\''
            )
            check(fetched == f"{PAGE_BYTES} bytes\n", "the page arrives whole")
        wait_until(lambda: "proto 6 " in _text(trace), "the trace has lines (or does another reader take them?)")
    say("What the debug printer logged for ICMP, ICMPv6 and TCP:")
    stage.run(f'for p in 1 58 6; do grep -m 2 "proto $p " {TRACE}; done; wc -l {TRACE}')


def _forget_older_lines(tracing: int, trace: str) -> None:
    """Empty the file when `ecbpf trace` reads the pipe and has read all older lines."""
    wait_until(lambda: _has_open(tracing, "trace_pipe"), "the trace is read")
    before = None
    while before != (now := _text(trace)):
        before = now
        time.sleep(0.1)
    os.truncate(trace, 0)


def _has_open(pid: int, name: str) -> bool:
    folder = f"/proc/{pid}/fd"
    return any(os.path.basename(os.path.realpath(f"{folder}/{number}")) == name for number in os.listdir(folder))


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _is_listening() -> bool:
    with lab.inside("server"), open("/proc/thread-self/net/tcp", encoding="ascii") as table:
        return any(":1F40 00000000:0000 0A" in line for line in table)  # port 8000, LISTEN


def account(stage: Stage, before: int) -> None:
    """Show the table, and check that it adds up to the frames that the interface received."""
    say(
        "What each slot has done. The printer passes the packets that it logs, and counts them, as no slot\n"
        "behind it is occupied. The root itself decided about packets that are not IP: the client's ARP request."
    )
    stage.run(f"{SERVER} ecbpf status")
    stage.run(f"{SERVER} ip -s link show eth0")
    received, counted = frames()
    say(
        f"The interface received {received} frames, {before} of them before the root array was attached;\n"
        f"{received} - {before} = {received - before}. The table adds up to {counted}."
    )
    check(received - before == counted, "every frame is counted once")


def replace(stage: Stage) -> None:
    """Upgrade the root five times under traffic."""
    say("Now upgrade the root in place, five times, while two thousand pings go through. None may be lost.")
    ping = f"{CLIENT} ping -q -i 0.002 -c 2000 {IP4}"
    with stage.background(ping) as pinging:
        stage.run(f"for i in 1 2 3 4 5; do {SERVER} ecbpf attach eth0; done")
        check(pinging.poll() is None, "the pings last as long as the upgrades")
        result = finish(pinging, ping)
    print(result, end="", flush=True)
    check(re.search(r"\b0% packet loss", result) is not None, "no ping is lost")
    say("The printer is still in its slot, and its counts went on. The same as JSON, for programs:")
    stage.run(f"{SERVER} ecbpf status eth0 --json | grep -A 13 '\"slot\": 6'")


def filter_sources(stage: Stage) -> None:
    """The filter: drop the client by its address, count it, and allow it again."""
    say("Slot 2: the filter. It drops the client's network, and pings no longer reach the network stack.")
    stage.run(f"{SERVER} ecbpf filter attach -i eth0")
    stage.run(f"{SERVER} ecbpf filter drop -i eth0 192.168.56.20/24 --tag '56 subnet'")
    stage.run(f"! {CLIENT} ping -q -c 3 -i 0.2 -W 1 {IP4}")
    stage.run(f"{SERVER} xdp_filter --status --interface eth0")
    check(_counts(stage)["ip_drop_count"] >= 3, "the pings were dropped and counted")
    say("Which entry drops it? And an exception: allow wins over any drop.")
    stage.run(f"{SERVER} ecbpf filter check -i eth0 192.168.56.20")
    stage.run(f"{SERVER} ecbpf filter allow -i eth0 192.168.56.20 --tag 'our own'")
    stage.run(f"{CLIENT} ping -q -c 3 -i 0.2 {IP4}")


def filter_a_million(stage: Stage) -> None:
    """Replace the one prefix by a million, under traffic."""
    say("A million prefixes replace it, all at once, while a thousand pings go through. None may be lost.")
    with open(os.path.join(stage.folder, LIST), "w", encoding="ascii") as file:
        # 16 networks of 2^16 addresses, each address as one prefix.
        file.writelines(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255} attacker {n}\n" for n in range(A_MILLION))
    stage.run(f"head -n 2 {LIST}; wc -l {LIST}")
    ping = f"{CLIENT} ping -q -i 0.005 -c 1000 {IP4}"
    with stage.background(ping) as pinging:
        stage.run(f"time {SERVER} ecbpf filter load -i eth0 --replace {LIST}")
        result = finish(pinging, ping)
    print(result, end="", flush=True)
    check(re.search(r"\b0% packet loss", result) is not None, "no ping is lost")
    stage.run(f"{SERVER} ecbpf filter check -i eth0 10.7.8.9")
    stage.run(f"{SERVER} ecbpf filter flush -i eth0")


def filter_fragments(stage: Stage) -> None:
    """Fragments to a VIP: dropped, with a limited number of answers that make the client send smaller packets."""
    say(
        "Fragments to an address that several directors share (a VIP) arrive at different directors, and none\n"
        "can reassemble them. The filter drops them and tells the sender to send smaller packets."
    )
    stage.run(f"{SERVER} ip address add {VIP}/32 dev eth0")
    answered = stage.run(f"! {CLIENT} ping -c 2 -i 0.2 -W 1 -s 2048 {VIP}")
    check("Frag needed" in answered, "the client is told")
    say("Fragments to the server's own address pass.")
    stage.run(f"{CLIENT} ping -q -c 2 -i 0.2 -s 2048 {IP4}")
    say("Under a flood of them, it sends 20 answers per CPU and second.")
    stage.run(f"{SERVER} ecbpf filter clear -i eth0")
    started = time.monotonic()
    stage.run(f"! {CLIENT} ping -q -i 0.001 -c 400 -W 1 -s 2048 -M dont {VIP}")
    stage.run(f"{SERVER} xdp_filter --status --interface eth0 | grep -E 'frag|ptb'")
    counts = _counts(stage)
    seconds = int(time.monotonic() - started) + 2  # begun seconds of the clock
    check(counts["ptb_limit_count"] > 0, "the flood exceeds the limit of answers")
    check(0 < counts["ptb_sent_count"] <= 20 * seconds * (os.cpu_count() or 1), "the answers are limited")


def _counts(stage: Stage) -> dict[str, int]:
    """The filter's counts."""
    with stage.running(f"{SERVER} ecbpf filter status -i eth0 --json") as process:
        counts: dict[str, int] = json.loads(finish(process, "filter status"))["stats"]
        return counts


def leave(stage: Stage) -> None:
    """Detach the root array and take the lab down."""
    say("And off again.")
    stage.run(f"{SERVER} ecbpf detach eth0")
    stage.run("ecbpf lab down")
    stage.run("ecbpf lab status")


def perform() -> None:
    """The whole demonstration. Raises EcbpfError if a part of it fails."""
    if os.geteuid() != 0:
        raise NotPermittedError("demo", 1, "it makes network namespaces and loads kernel programs: run it as root")
    if lab.status().state != "down":
        raise BusyError("demo", "a lab is up already, maybe in use", "take it down first: ecbpf lab down")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ecbpf-demo-") as folder:
        stage = Stage(folder)
        with open(os.path.join(folder, PAGE), "wb") as page:
            page.write(os.urandom(PAGE_BYTES))
        try:
            before = attach(stage)
            traffic(stage)
            account(stage, before)
            replace(stage)
            filter_sources(stage)
            filter_a_million(stage)
            filter_fragments(stage)
            leave(stage)
        finally:
            _tidy()
    say(f"All as it should be, in {time.monotonic() - started:.0f} s.")


def _tidy() -> None:
    """Remove what is left, whatever state it is in; must not be interrupted."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(EcbpfError), lab.inside("server"):
        detach("eth0")
    lab.down()


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    for each in STOPS:  # the first signal is enough: the clean-up must not be interrupted
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> int:
    """Run the demonstration; returns the exit status."""
    for number in STOPS:
        signal.signal(number, _stop)
    try:
        perform()
    except EcbpfError as error:
        print(f"ecbpf: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
