"""`make DEBUG=1` logs; other builds have no instruction of it."""

import os
import subprocess
from pathlib import Path

from ecbpf.build import compile_object
from ecbpf.chain.attach import attach
from ecbpf.chain.occupant import find_root
from ecbpf.paths import include_dir
from tests.support.frames import FLOOD
from tests.support.trace import traced

PROGRAM = """
#include "ecbpf/chain.h"
SEC("xdp") int prog(struct xdp_md *ctx)
{
	%s
	return chain_pass(ctx);
}
char _license[] SEC("license") = "GPL";
"""


def instructions(folder: Path, body: str, *, debug: bool) -> str:
    source, output = folder / "prog.bpf.c", folder / "prog.bpf.o"
    source.write_text(PROGRAM % body)
    compile_object(str(source), str(output), debug=debug)
    command = ["llvm-objdump", "-d", "--no-show-raw-insn", str(output)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_debug_line_leaves_no_instruction_behind(tmp_path: Path) -> None:
    line = 'ecbpf_debug("length %d", (int)(ctx->data_end - ctx->data));'
    without = instructions(tmp_path, "", debug=False)
    assert instructions(tmp_path, line, debug=False) == without
    assert instructions(tmp_path, line, debug=True) != without
    assert "call 6" not in without  # bpf_trace_printk
    assert "call 6" in instructions(tmp_path, "", debug=True), "chain_end() has a line of its own"


def test_a_debug_root_logs_each_end_of_a_walk(near: str, tmp_path: Path) -> None:
    source = os.path.join(os.path.dirname(include_dir()), "root.bpf.c")
    compile_object(source, str(tmp_path / "root.bpf.o"), debug=True)
    attach(near, filename=str(tmp_path / "root.bpf.o"))
    with traced() as lines:
        find_root(near).program.test_run(FLOOD)
        assert lines("ecbpf: slot 8 verdict 2 reason 0", 1)
