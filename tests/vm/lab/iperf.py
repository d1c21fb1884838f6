"""iperf3 from the client through a VIP to a real server."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ecbpf import lab
from tests.vm.lab.downloads import CLIENT

__all__ = ["iperf", "iperf_servers"]


@contextmanager
def iperf_servers(vip: str) -> Iterator[None]:
    """For the block, an iperf3 on each real server that listens on the VIP."""
    with ExitStack() as stack:
        for node in ("director/real1", "director/real2"):
            with lab.inside(node):
                server = subprocess.Popen(
                    ["iperf3", "-s", "-B", vip, "--forceflush"], stdout=subprocess.PIPE, text=True
                )
            stack.callback(server.wait)
            stack.callback(server.kill)
            assert server.stdout is not None
            stack.enter_context(server.stdout)
            while "listening" not in server.stdout.readline():
                assert server.poll() is None
        yield


def iperf(vip: str, *arguments: str) -> dict[str, Any]:
    """The output of `iperf3 -c VIP ARGUMENTS --json`, which must succeed."""
    with lab.inside(CLIENT):
        done = subprocess.run(
            ["iperf3", "-c", vip, "--json", *arguments], check=False, capture_output=True, text=True, timeout=60
        )
    said: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, said.get("error", done.stderr)
    return said
