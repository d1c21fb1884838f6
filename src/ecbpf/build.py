"""Compile kernel programs with clang: at build time, never when a program is attached.

``python3 -m ecbpf.build my.bpf.c`` makes my.bpf.o for a subprogram of your own; the wheel's
build hook, the tests and the benchmarks use the same function.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig

from ecbpf.errors import DataError, EcbpfError, MissingError
from ecbpf.paths import include_dir

__all__ = ["compile_object", "main"]


def clang_command(source: str, output: str, *, debug: bool = False) -> list[str]:
    """The clang command line that compiles `source` to the BPF object `output`.

    Debian keeps <asm/types.h> in a folder a machine type; clang does not look there when its
    target is bpf. Instruction set v3 (32-bit ALU and jumps) is known to every kernel since 5.1.
    """
    command = ["clang", "-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter"]
    if debug:
        command.append("-DDEBUG")
    command += ["-I", include_dir()]
    # Paths go into the BTF; without this machine's, two builds are alike.
    folder = os.path.dirname(os.path.abspath(source))
    command += [
        "-fdebug-compilation-dir=.",
        f"-ffile-prefix-map={folder}/=",
        f"-ffile-prefix-map={include_dir()}/=",
    ]
    multiarch = sysconfig.get_config_var("MULTIARCH") or f"{os.uname().machine}-linux-gnu"
    if os.path.isdir(f"/usr/include/{multiarch}"):
        command += ["-idirafter", f"/usr/include/{multiarch}"]
    return [*command, "-c", source, "-o", output]


def compile_object(source: str, output: str, *, debug: bool = False) -> None:
    """Compile the kernel program `source` (C) to the BPF object `output`, with BTF.

    debug: keep the ecbpf_debug() lines.
    Raises MissingError where there is no clang, DataError with its words if it refuses.
    """
    if shutil.which("clang") is None:
        raise MissingError("clang", "not found", "apt-get install clang libbpf-dev linux-libc-dev")
    command = clang_command(source, output, debug=debug)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise DataError(source, "clang refuses it:\n" + done.stderr.strip())
    sys.stderr.write(done.stderr)
    strip = shutil.which("llvm-strip")
    if strip:
        # The DWARF goes, the BTF stays.
        subprocess.run([strip, "--strip-debug", output], check=True)


def main(argv: list[str] | None = None) -> int:
    """Compile one subprogram from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m ecbpf.build", description=__doc__.splitlines()[0])
    parser.add_argument("source", help="a kernel program, NAME.bpf.c")
    parser.add_argument("-o", "--output", help="the object to write (default: NAME.bpf.o beside it)")
    parser.add_argument("--debug", action="store_true", help="keep the ecbpf_debug() lines")
    options = parser.parse_args(argv)
    output = options.output or os.path.splitext(options.source)[0] + ".o"
    try:
        compile_object(options.source, output, debug=options.debug)
    except EcbpfError as error:
        print(f"ecbpf: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
