"""Compiling C with clang."""

import os
import shutil
import subprocess
import sysconfig

from ecbpf.errors import DataError, MissingError, UsageError
from ecbpf.paths import include_dir

__all__ = ["clang_command", "compile_object"]


def clang_command(source: str, output: str, *, debug: bool = False) -> list[str]:
    """The clang command line that compiles `source` to the BPF object `output`.

    Debian keeps <asm/types.h> in one folder per machine type; clang does not look there when its target is bpf.
    Every kernel since 5.1 has instruction set v3 (32-bit ALU and jumps).
    """
    command = ["clang", "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter"]
    if debug:
        command.append("-DDEBUG")
    command += ["-I", include_dir()]
    # Paths go into the BTF; without those of this machine, builds are reproducible.
    folder = os.path.dirname(os.path.abspath(source))
    command += [
        "-fdebug-compilation-dir=.",
        f"-ffile-prefix-map={folder}/=",
        f"-ffile-prefix-map={include_dir()}/=",
    ]
    multiarch = sysconfig.get_config_var("MULTIARCH") or f"{os.uname().machine}-linux-gnu"
    if os.path.isdir(f"/usr/include/{multiarch}"):
        command += ["-idirafter", f"/usr/include/{multiarch}"]
    return [*command, "-x", "c", "-c", source, "-o", output]


def compile_object(source: str, output: str, *, debug: bool = False) -> str:
    """Compile the kernel program `source` (C) to the BPF object `output`, with BTF; returns clang's warnings.

    debug: keep the ecbpf_debug() lines.
    Raises MissingError if clang is not installed, DataError if there is no such file or clang refuses it.
    """
    if not os.path.exists(source):
        raise DataError(source or "''", "no such file", "give a kernel program, NAME.bpf.c")
    if os.path.exists(output) and os.path.samefile(source, output):
        raise UsageError(output, "is the source itself", "-o another file")
    if shutil.which("clang") is None:
        raise MissingError("clang", "not found", "apt-get install clang libbpf-dev linux-libc-dev")
    command = clang_command(source, output, debug=debug)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise DataError(source, "clang refuses it:\n" + done.stderr.strip())
    strip = shutil.which("llvm-strip")
    if strip:
        # The DWARF goes, the BTF stays.
        subprocess.run([strip, "--strip-debug", output], check=True)
    return done.stderr
