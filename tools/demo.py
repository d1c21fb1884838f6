"""The demonstration: the root array and the filter at work in the lab, as one would type it (`make demo`).

Ends with status 0 only if all of it worked, and takes away what it made whatever happens.
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
PATIENCE = 5.0  # seconds for what takes milliseconds
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str) -> None:
    """A paragraph to the reader."""
    print("\n" + "\n".join(f"# {line}" for line in text.splitlines()), flush=True)


class Stage:
    """Where the commands run: a folder of its own, .venv/bin first on the path."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        path = f"{os.path.dirname(sys.executable)}:{os.environ.get('PATH', os.defpath)}"
        self._environment = os.environ | {"PATH": path, "LC_ALL": "C"}

    @contextlib.contextmanager
    def running(self, command: str) -> Iterator["subprocess.Popen[str]"]:
        """The command beside what happens in the block; at its end it ends too, with all it started."""
        process = None
        try:
            # A stop that comes now is raised at the end of the block, when we know what to end.
            with _held_back():
                process = subprocess.Popen(
                    ["bash", "-eo", "pipefail", "-c", command],
                    cwd=self.folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    process_group=0,  # Ctrl-C reaches us alone
                    preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS),  # noqa: PLW1509
                )
            yield process
        finally:
            if process is not None:
                _end(process)

    @contextlib.contextmanager
    def background(self, command: str) -> Iterator["subprocess.Popen[str]"]:
        """A simple command running(), shown as typed; the process is the command's own, not a shell's."""
        print(f"$ {command} &", flush=True)
        with self.running(f"exec {command}") as process:
            yield process

    def run(self, command: str) -> str:
        """Show the command as typed, and what it prints, which comes back too. Raises EcbpfError if it fails."""
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
    """Wait for the end of a command; what it printed. Raises EcbpfError if it fails."""
    try:
        output, _ = process.communicate(timeout=6 * PATIENCE)
    except subprocess.TimeoutExpired:
        raise EcbpfError(command, "does not end") from None
    if process.returncode:
        print(output, end="", flush=True)
        raise EcbpfError(command, f"exit status {process.returncode}")
    return output


def check(holds: bool, what: str) -> None:
    """Raise EcbpfError unless what was promised holds."""
    if not holds:
        raise EcbpfError("demo", f"not as it should be: {what}")


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Wait for ready(). Raises EcbpfError if that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        check(time.monotonic() < deadline, what)
        time.sleep(0.05)


def frames() -> tuple[int, int]:
    """Frames that the server's interface received, and those that the root array decided about, at one moment."""
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
    """The lab and the root array; frames that came before it was there."""
    say("A server and a client, two network namespaces joined by a wire.")
    stage.run("ecbpf lab up")
    say("The root array on the server's interface: eight slots, all free. Slot 6 gets the debug printer.")
    stage.run(f"{SERVER} ecbpf attach eth0")
    received, counted = frames()
    stage.run(f"{SERVER} ecbpf printk attach -i eth0")
    return received - counted


def traffic(stage: Stage) -> None:
    """Pings and a transfer, and what the trace has of them."""
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
    say("What the printer logged of ICMP, ICMPv6 and TCP:")
    stage.run(f'for p in 1 58 6; do grep -m 2 "proto $p " {TRACE}; done; wc -l {TRACE}')


def _forget_older_lines(tracing: int, trace: str) -> None:
    """Once `ecbpf trace` reads the pipe, and no more lines come that others left there, empty the file."""
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
    """The table, and that it adds up to what the interface saw."""
    say(
        "What every slot did. The printer passes what it logs, and as nothing stands behind it,\n"
        "counts it. The root decided alone about what is not IP: the client's ARP request."
    )
    stage.run(f"{SERVER} ecbpf status")
    stage.run(f"{SERVER} ip -s link show eth0")
    received, counted = frames()
    say(
        f"The interface received {received} frames, {before} of them before the root array was there;\n"
        f"{received} - {before} = {received - before}. The table adds up to {counted}."
    )
    check(received - before == counted, "every frame is counted once")


def replace(stage: Stage) -> None:
    """Five upgrades under traffic."""
    say("Now upgrade the root in place, five times, while two thousand pings go through. None may be lost.")
    ping = f"{CLIENT} ping -q -i 0.002 -c 2000 {IP4}"
    with stage.background(ping) as pinging:
        stage.run(f"for i in 1 2 3 4 5; do {SERVER} ecbpf attach eth0; done")
        check(pinging.poll() is None, "the pings last as long as the upgrades")
        result = finish(pinging, ping)
    print(result, end="", flush=True)
    check(re.search(r"\b0% packet loss", result) is not None, "no ping is lost")
    say("The printer is still in its slot, and its counts went on. For programs, the same as JSON:")
    stage.run(f"{SERVER} ecbpf status eth0 --json | grep -A 13 '\"slot\": 6'")


def filter_sources(stage: Stage) -> None:
    """The filter: the client dropped by its address, counted, and forgiven."""
    say("Slot 2: the filter. Tell it to drop the client's network, and the pings die before the stack sees them.")
    stage.run(f"{SERVER} ecbpf filter attach -i eth0")
    stage.run(f"{SERVER} ecbpf filter drop -i eth0 192.168.56.20/24 --tag '56 subnet'")
    stage.run(f"! {CLIENT} ping -q -c 3 -i 0.2 -W 1 {IP4}")
    stage.run(f"{SERVER} xdp_filter --status --interface eth0")
    check(_counts(stage)["ip_drop_count"] >= 3, "the pings were dropped and counted")
    say("Which entry does it? And an exception, which wins over any drop.")
    stage.run(f"{SERVER} ecbpf filter check -i eth0 192.168.56.20")
    stage.run(f"{SERVER} ecbpf filter allow -i eth0 192.168.56.20 --tag 'our own'")
    stage.run(f"{CLIENT} ping -q -c 3 -i 0.2 {IP4}")


def filter_a_million(stage: Stage) -> None:
    """A million prefixes in the place of the one, in the middle of traffic."""
    say("A million prefixes in its place, in one piece, while a thousand pings go through. None may be lost.")
    with open(os.path.join(stage.folder, LIST), "w", encoding="ascii") as file:
        # 16 networks of 2^16 addresses: every one of them by itself.
        file.writelines(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255} attacker {n}\n" for n in range(A_MILLION))
    stage.run(f"head -n 2 {LIST}; wc -l {LIST}")
    ping = f"{CLIENT} ping -q -i 0.005 -c 1000 {IP4}"
    with stage.background(ping) as pinging:
        stage.run(f"time {SERVER} ecbpf filter load -i eth0 --replace {LIST}")
        result = finish(pinging, ping)
    print(result, end="", flush=True)
    check(re.search(r"\b0% packet loss", result) is not None, "no ping is lost")
    stage.run(f"{SERVER} ecbpf filter check -i eth0 10.7.8.9")
    stage.run(f"{SERVER} ecbpf filter clear -i eth0")


def filter_fragments(stage: Stage) -> None:
    """Fragments to a VIP: refused, with an answer that the client understands, so many a second."""
    say(
        "Fragments to an address that several directors have (a VIP) arrive at different ones: none can put\n"
        "them together. The filter drops them and tells the sender to send smaller packets."
    )
    stage.run(f"{SERVER} ip address add {VIP}/32 dev eth0")
    answered = stage.run(f"! {CLIENT} ping -c 2 -i 0.2 -W 1 -s 2048 {VIP}")
    check("Frag needed" in answered, "the client is told")
    say("Those to the server's own address pass.")
    stage.run(f"{CLIENT} ping -q -c 2 -i 0.2 -s 2048 {IP4}")
    say("Under a flood of them, 20 answers a CPU and second are enough.")
    stage.run(f"{SERVER} ecbpf filter clear -i eth0")
    started = time.monotonic()
    stage.run(f"! {CLIENT} ping -q -i 0.001 -c 400 -W 1 -s 2048 -M dont {VIP}")
    stage.run(f"{SERVER} xdp_filter --status --interface eth0 | grep -E 'frag|ptb'")
    counts = _counts(stage)
    seconds = int(time.monotonic() - started) + 2  # of the clock, which it began and ended within
    check(counts["ptb_limit_count"] > 0, "the flood is more than is answered")
    check(0 < counts["ptb_sent_count"] <= 20 * seconds * (os.cpu_count() or 1), "the answers are limited")


def _counts(stage: Stage) -> dict[str, int]:
    """The filter's counts."""
    with stage.running(f"{SERVER} ecbpf filter status -i eth0 --json") as process:
        counts: dict[str, int] = json.loads(finish(process, "filter status"))["stats"]
        return counts


def leave(stage: Stage) -> None:
    """Take all of it away, as one would."""
    say("And off again.")
    stage.run(f"{SERVER} ecbpf detach eth0")
    stage.run("ecbpf lab down")
    stage.run("ecbpf lab status")


def perform() -> None:
    """The whole play. Raises EcbpfError if a part of it goes wrong."""
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
    """Take away what is left, whatever state it is in; not to be interrupted."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(EcbpfError), lab.inside("server"):
        detach("eth0")
    lab.down()


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    for each in STOPS:  # the first stop is enough: what it unwinds is not to be interrupted
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main() -> int:
    """Perform; returns the exit status."""
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
