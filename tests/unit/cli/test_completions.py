"""Tab completion: the files are what the generator writes, and bash completes what it should."""

import os
import subprocess

import pytest

from tools.completions import FOLDER, generate

FAKE_INTERFACES = ("lo", "eth0", "eth1", "bond0", "eth0.100", "wan-a")


def test_the_files_are_up_to_date() -> None:
    """After a change of a command line: `make completions`."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == generate()


def complete(*words: str, cwd: str | None = None) -> list[str]:
    """What bash offers for the last of `words`, with FAKE_INTERFACES in /proc/net/dev."""
    table = "".join(f"{name:>6}: 7 1 0 0\\n" for name in FAKE_INTERFACES)
    script = f"""
        tail() {{ [ "$*" = "-n +3 /proc/net/dev" ] && printf '{table}'; }}
        compopt() {{ :; }}  # bash has it only while readline is completing
        . {FOLDER}/{words[0]}
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        [[ "$(complete -p {words[0]})" =~ -F\\ ([^ ]+) ]] && ${{BASH_REMATCH[1]}}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words], capture_output=True, text=True, check=True, cwd=cwd
    )
    assert done.stderr == ""
    return sorted({line for line in done.stdout.split("\n") if line})


ALL = sorted(name for name in FAKE_INTERFACES if name != "lo")
SLOTS = [str(slot) for slot in range(8)]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ecbpf at", ["attach"]),
        ("ecbpf --debug d", ["detach"]),
        ("ecbpf printk ", ["attach", "clear", "detach", "serve", "set", "status"]),
        ("ecbpf lab ", ["down", "exec", "status", "up"]),
        ("ecbpf lab up ", ["director", "server"]),
        ("ecbpf lab down d", ["director"]),
        ("ecbpf lab exec s", ["server", "server/client", "server/server", "switch"]),
        ("ecbpf status ", ALL),
        ("ecbpf status --json ", ALL),
        ("ecbpf attach w", ["wan-a"]),
        ("ecbpf attach -i eth", ["eth0", "eth0.100", "eth1"]),
        ("ecbpf attach --interface bond0,eth", ["bond0,eth0", "bond0,eth0.100", "bond0,eth1"]),
        ("ecbpf attach eth1,eth0,", ["eth1,eth0,bond0", "eth1,eth0,eth0.100", "eth1,eth0,wan-a"]),
        ("ecbpf attach -i eth0 --force w", ["wan-a"]),
        ("ecbpf attach eth0 --slot ", SLOTS),
        ("ecbpf detach --slot ", SLOTS),
        ("ecbpf attach eth0 --s", ["--slot"]),
        ("ecbpf attach eth0 --program ", []),
        ("ecbpf printk attach -i b", ["bond0"]),
        ("xdp_root_loader --st", ["--stats", "--status"]),
        ("xdp_root_loader --attach --interface wan-a,b", ["wan-a,bond0"]),
        ("xdp_printk --d", ["--debug", "--detach"]),
        ("xdp_printk --attach --interface b", ["bond0"]),
    ],
)
def test_completion(typed: str, offered: list[str]) -> None:
    assert complete(*typed.split(" ")) == offered


@pytest.mark.parametrize("command", ["ecbpf attach --filename", "xdp_root_loader --attach --filename"])
def test_file_names(command: str, tmp_path: object) -> None:
    for name in ("mine.bpf.o", "mine.bpf.c", "other"):
        with open(os.path.join(str(tmp_path), name), "w"):
            pass
    assert complete(*command.split(), "mi", cwd=str(tmp_path)) == ["mine.bpf.c", "mine.bpf.o"]


def test_the_command_of_lab_exec() -> None:
    assert "bash" in complete("ecbpf", "lab", "exec", "server", "--", "bas")


def test_every_option_value_is_completed() -> None:
    """An option whose value the generator cannot complete would silently offer nothing."""
    wanted = {"--interface", "-i", "--slot", "--filename"}
    for option in wanted:
        for verb in ("attach", "detach"):
            if option in complete("ecbpf", verb, option):
                assert complete("ecbpf", verb, option, ""), (verb, option)
