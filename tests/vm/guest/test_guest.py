"""The guest is as the tests beside this one assume."""

import os
import subprocess

import pytest

from tests.vm.machine import CPUS


def run(*command: str) -> str:
    """Run a command that must succeed; returns its output."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def mounted(folder: str) -> tuple[str, str]:
    """The type and options of the file system mounted there."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        found = {fields[1]: (fields[2], fields[3]) for fields in map(str.split, file)}
    return found[folder]


def test_the_kernel_is_the_one_that_was_asked_for() -> None:
    assert os.uname().release == os.environ["ECBPF_GUEST_RELEASE"]
    assert os.environ["ECBPF_GUEST"] in os.path.realpath(f"/lib/modules/{os.uname().release}")
    assert os.sched_getaffinity(0) == set(range(CPUS))


@pytest.mark.parametrize(
    "module",
    ["ip_vs", "ip_vs_wrr", "ip_vs_mh", "8021q", "bonding", "dummy", "veth", "bridge", "nf_tables", "cls_bpf"],
)
def test_a_module_loads(module: str) -> None:
    run("modprobe", module)
    assert os.path.exists(f"/sys/module/{module}")


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/sys/fs/bpf", "bpf"),
        ("/sys/fs/cgroup", "cgroup2"),
        ("/sys/kernel/debug", "debugfs"),
        ("/sys/kernel/tracing", "tracefs"),
    ],
)
def test_a_file_system_is_mounted(folder: str, kind: str) -> None:
    assert mounted(folder)[0] == kind


def test_the_checkout_can_be_written() -> None:
    """In the guest; tests/vm/host tests that the machine's own files stay as they are."""
    assert mounted("/")[0] == "overlay"
    with open("README.md", "a", encoding="utf-8") as file:
        file.write("more\n")
    with open("README.md", encoding="utf-8") as file:
        assert file.read().endswith("more\n")


def test_ipvs_balances_in_a_namespace() -> None:
    run("ip", "netns", "add", "director")
    try:
        # A real server needs a route.
        run("ip", "-n", "director", "link", "add", "dummy0", "up", "type", "dummy")
        run("ip", "-n", "director", "address", "add", "192.0.2.2/24", "dev", "dummy0")
        inside = ("ip", "netns", "exec", "director", "ipvsadm")
        run(*inside, "-A", "-t", "192.0.2.1:80", "-s", "wrr")
        run(*inside, "-a", "-t", "192.0.2.1:80", "-r", "192.0.2.11", "-g", "-w", "3")
        shown = run(*inside, "-S", "-n").splitlines()
        assert shown == ["-A -t 192.0.2.1:80 -s wrr", "-a -t 192.0.2.1:80 -r 192.0.2.11:80 -g -w 3"]
    finally:
        run("ip", "netns", "del", "director")


def test_a_tagged_interface_over_a_bond() -> None:
    run("ip", "netns", "add", "bonded")
    try:
        inside = ("ip", "-n", "bonded", "link")
        run(*inside, "add", "dummy0", "type", "dummy")
        run(*inside, "add", "bond0", "type", "bond", "mode", "active-backup")
        run(*inside, "set", "dummy0", "master", "bond0")
        run(*inside, "add", "link", "bond0", "name", "bond0.5", "type", "vlan", "id", "5")
        run(*inside, "set", "bond0", "up")
        run(*inside, "set", "bond0.5", "up")
        assert "UP,LOWER_UP" in run(*inside, "show", "bond0.5")
    finally:
        run("ip", "netns", "del", "bonded")
