"""The machine that the numbers come from, and its load from other processes."""

import ctypes
import os
import platform

__all__ = ["busy", "busy_share", "machine"]


def machine() -> dict[str, str]:
    """What the numbers depend on besides the code."""
    libbpf = ctypes.CDLL("libbpf.so.1").libbpf_version_string
    libbpf.restype = ctypes.c_char_p
    return {
        "CPU": _first_line("/proc/cpuinfo", "model name") or platform.machine(),
        "CPUs": str(os.cpu_count()),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "none",
        "kernel": os.uname().release,
        "JIT": _first_line("/proc/sys/net/core/bpf_jit_enable") or "unknown",
        "Python": platform.python_version(),
        "libbpf": libbpf().decode().removeprefix("v"),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _first_line(path: str, key: str = "") -> str:
    """The first line of a file; with `key`, what follows the colon in the first line that begins with it."""
    try:
        with open(path, encoding="utf-8") as file:
            line = next((line for line in file if line.startswith(key)), "")
    except OSError:
        return ""
    return line.partition(":")[2].strip() if key else line.strip()


def busy() -> list[tuple[int, int]]:
    """Idle ticks and all ticks of each CPU that this process does not run on (proc(5), /proc/stat)."""
    ours = {f"cpu{cpu}" for cpu in os.sched_getaffinity(0)}
    found = []
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            name, *ticks = line.split()
            if name.startswith("cpu") and name != "cpu" and name not in ours:
                found.append((int(ticks[3]), sum(map(int, ticks))))
    return found


def busy_share(before: list[tuple[int, int]], after: list[tuple[int, int]]) -> str:
    idle, ticks = (sum(now[i] - then[i] for then, now in zip(before, after, strict=True)) for i in (0, 1))
    return f"{1 - idle / ticks:.0%}" if ticks else "none"
