"""Run `ip` in this process's own network namespace and read its JSON."""

import json
import subprocess
from typing import Any

from ecbpf.errors import EcbpfError, MissingError

__all__ = ["ask_ip"]

_IP_SECONDS = 2


def ask_ip(*words: str) -> list[dict[str, Any]] | None:
    """What ``ip -json WORDS`` lists; None if it fails, because the thing asked about does not exist.

    Raises MissingError (no `ip`), EcbpfError (no answer).
    """
    command = ["ip", "-json", *words]
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=_IP_SECONDS)
    except FileNotFoundError:
        raise MissingError("ip", "not found", "apt-get install iproute2") from None
    except subprocess.TimeoutExpired:
        raise EcbpfError(" ".join(command), f"no answer in {_IP_SECONDS} s") from None
    return json.loads(done.stdout or "[]") if done.returncode == 0 else None
