"""``python -m bench``: measure, print the table, write JSON."""

import argparse
import json
import os
import signal
import sys

from bench.harness import ROUNDS, figures, installed, measure, over_limit, report, select, table
from bench.machine import busy, busy_share, machine
from bench.rows import every_row
from ecbpf.errors import EcbpfError


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Time packets and processes, above a floor."
    )
    parser.add_argument("--rows", metavar="GLOB", default="*", help="only these, and what they are compared with")
    parser.add_argument("--rounds", metavar="N", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of the rows' random order in each round")
    parser.add_argument("--json", metavar="FILE", help="write all figures there too; -: stdout, and no table")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a limit is exceeded")
    parser.add_argument("--list", action="store_true", help="list the rows")
    return parser.parse_args()


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\rround {done} of {of}", end="\n" if done == of else "", file=sys.stderr, flush=True)


def main() -> int:
    options = _arguments()
    rows = select(every_row(), options.rows)
    if options.list:
        for row in rows:
            print(f"{row.id:<34} {row.what}")
        return 0
    rows, missing = installed(rows)
    for row in missing:
        assert row.needs is not None
        print(f"bench: {row.id} left out: apt-get install {row.needs[1]}", file=sys.stderr)
    if not rows or options.rounds < 1:
        print(f"bench: {options.rows}: no such row, or no round; see --list", file=sys.stderr)
        return 64
    # Rows clean up in `finally` blocks: let SIGTERM reach them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # All rows run on one CPU, and not on the first, which has the interrupts.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    here = machine()
    before = busy()
    try:
        samples = measure(rows, options.rounds, options.seed, _progress)
    except EcbpfError as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_status
    here["other CPUs busy"] = busy_share(before, busy())
    found = figures(rows, samples)
    if options.json:
        text = json.dumps(report(here, options.rounds, options.seed, found), indent=2)
        if options.json == "-":
            print(text)
        else:
            with open(options.json, "w", encoding="utf-8") as file:
                file.write(text + "\n")
    if options.json != "-":
        print(", ".join(f"{key} {value}" for key, value in here.items()), f", rounds {options.rounds}", sep="")
        print(table(found))
    return 1 if options.check and over_limit(found) else 0


if __name__ == "__main__":
    sys.exit(main())
