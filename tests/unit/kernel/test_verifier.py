"""The summary of a verifier's log, as old and new kernels write it (live: tests/netns/kernel/test_object.py)."""

import errno

import pytest

from ecbpf.kernel.verifier import VerifierError, summarise

# Linux 6.10 and later: file and line number follow the source line.
NEW = """\
0: R1=ctx() R10=fp0
; __u8 *data = (void *)(long)ctx->data; @ parse.bpf.c:17
0: (61) r1 = *(u32 *)(r1 +0)          ; R1=pkt(r=0)
; return data[13] == 8 ? XDP_DROP : XDP_PASS; @ parse.bpf.c:19
1: (71) r1 = *(u8 *)(r1 +13)
invalid access to packet, off=13 size=1, R1(id=0,off=13,r=0)
R1 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""

# Linux 5.10: states before the instruction, "inv" for a number, precision tracking between.
OLD = """\
Validating refused() func#0...
0: R1=ctx(id=0,off=0,imm=0) R10=fp0
; int refused(struct xdp_md *ctx)
0: (b7) r1 = 0
; __u32 key = 0;
1: (63) *(u32 *)(r10 -4) = r1
last_idx 1 first_idx 0
regs=2 stack=0 before 0: (b7) r1 = 0
2: R1_w=invP0 R10=fp0 fp-8=0000????
2: (bf) r2 = r10
3: (07) r2 += -4
; __u64 *count = bpf_map_lookup_elem(&refused_map, &key);
4: (18) r1 = 0xffff8881b2c5e000
6: (85) call bpf_map_lookup_elem#1
; *count += 1;
7: R0_w=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0) R10=fp0 fp-8=mmmm????
7: (79) r1 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""

# Linux 4.19: no source lines, statistics in one short line.
OLDEST = """\
0: (bf) r6 = r1
1: (b7) r7 = 0
from 4 to 1: R0=inv(id=0) R6=ctx(id=0,off=0,imm=0) R7=inv0 R10=fp0
1: (0f) r7 += r0
back-edge from insn 4 to 1
processed 9 insns (limit 131072), stack depth 0
"""

# Linux 6.1, verbose: the time and the stack after the count.
TIMED = """\
; count[1] = 7;
9: (7b) *(u64 *)(r0 +8) = r1          ; R0_w=map_value(off=0,ks=4,vs=8,imm=0) R1_w=7
invalid access to map value, value_size=8 off=8 size=8
R0 min value is outside of the allowed memory range
verification time 84 usec
stack depth 4
processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0

"""

# Linux 7.3: followed by a report.
REPORT = """\
; return *count; @ refused.bpf.c:120
6: (79) r0 = *(u64 *)(r1 +0)
R1 invalid mem access 'mem_or_null'

Verification failed: Register Type Safety: Invalid dereference

Reason:
  R1 may be NULL here (a nullable memory pointer). The program could dereference NULL on this path,
  so the verifier cannot prove this access is safe.

At:
  refused_part @ refused.bpf.c:120:9
  Source context:
      118 | ...
  >>> 120 |         return *count;
          |         ^-- error: invalid dereference of R1 (a nullable memory pointer)
  Instruction context:
  >>> 6 | (79) r0 = *(u64 *)(r1 +0)

Causal path:
  no retained diagnostic events on this path

Suggestion:
  Add a NULL check before the access and dereference the pointer only on the non-NULL path.

processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0

"""

BTF = """\
magic: 0xeb9f
version: 1
[1] PTR (anon) type_id=2
[2] STRUCT (anon) size=32 vlen=4
\ttype type_id=3 bits_offset=0 Member exceeds struct_size
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (
            NEW,
            "invalid access to packet, off=13 size=1, R1(id=0,off=13,r=0), R1 offset is outside of the packet"
            " at `return data[13] == 8 ? XDP_DROP : XDP_PASS;` (parse.bpf.c:19)",
        ),
        (OLD, "R0 invalid mem access 'map_value_or_null' at `*count += 1;`"),
        (OLDEST, "back-edge from insn 4 to 1"),
        (
            TIMED,
            "invalid access to map value, value_size=8 off=8 size=8, R0 min value is outside of the allowed "
            "memory range at `count[1] = 7;`",
        ),
        (REPORT, "R1 invalid mem access 'mem_or_null' at `return *count;` (refused.bpf.c:120)"),
        (BTF, "[2] STRUCT (anon) size=32 vlen=4, \ttype type_id=3 bits_offset=0 Member exceeds struct_size"),
        ("", ""),
        ("\0\n \n", ""),
        ("processed 0 insns (limit 1000000)\n", ""),
        ("0: R1=ctx() R10=fp0\n", "0: R1=ctx() R10=fp0"),
        ("; @ x.c:0\n;  @ x.c:0\nbad call\n", "bad call"),
        (
            "infinite loop detected at insn 1\ncur state: R1=1\nold state: R1=1\n",
            "infinite loop detected at insn 1",
        ),
    ],
)
def test_summary(log: str, line: str) -> None:
    assert summarise(log) == line


def test_error_is_one_line_and_keeps_the_log() -> None:
    error = VerifierError("parse.bpf.o", errno.EACCES, NEW)
    assert str(error).startswith("parse.bpf.o: the verifier refuses it: invalid access to packet, off=13")
    assert "\n" not in str(error)
    assert (error.errno, error.exit_status, error.log) == (errno.EACCES, 65, NEW)


def test_an_empty_log_leaves_the_errno() -> None:
    assert str(VerifierError("x.o", errno.EACCES, "")) == "x.o: Permission denied (EACCES)"
