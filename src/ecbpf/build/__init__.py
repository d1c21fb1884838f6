"""Compile kernel programs with clang: at build time, never when a program is attached.

``python3 -m ecbpf.build my.bpf.c`` makes my.bpf.o for a subprogram of your own, or with ``--skeleton`` a Python
module that contains it. The wheel's build hook, the tests and the benchmarks use the same functions.
"""

from ecbpf.build.clang import clang_command, compile_object

__all__ = ["clang_command", "compile_object"]
