"""``ecbpf attach``."""

import argparse

from ecbpf.cli.output import print_changes
from ecbpf.cli.parser import add_interfaces, interfaces_of
from ecbpf.errors import UsageError

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecbpf.chain.change import Change

__all__ = ["add_arguments", "attach_root", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Interfaces, and what to attach in which mode."""
    add_interfaces(parser, plain=True)
    parser.add_argument(
        "--generic", action="store_true", help="use generic mode: works on any interface, but slower"
    )
    parser.add_argument("--force", action="store_true", help="replace an XDP program that is not ours")
    parser.add_argument(
        "--nop",
        action="store_true",
        help="attach a program that passes everything instead; it keeps the NIC in XDP mode",
    )
    parser.add_argument(
        "--slot", metavar="N", type=int, help="put a subprogram (--filename) in slot N of the root array"
    )
    parser.add_argument("--filename", metavar="F", default="", help="an object file of your own: .bpf.o")
    parser.add_argument("--program", metavar="NAME", default="", help="which program of F, if it has several")


def run(options: argparse.Namespace) -> int:
    """Attach to each interface. All of them are checked before the first is changed."""
    interfaces = interfaces_of(options)
    if options.slot is None:
        if options.program:
            raise UsageError("--program", "goes with --slot and --filename")
        attach_root(
            interfaces,
            nop=options.nop,
            generic=options.generic,
            force=options.force,
            filename=options.filename,
        )
        return 0
    if not options.filename:
        raise UsageError("--slot", "needs the subprogram's object", "add --filename F")
    if options.nop or options.generic or options.force:
        raise UsageError("--slot", "does not go with --nop, --generic or --force")
    print_changes(_put_file(interfaces, options.slot, options.filename, options.program))
    return 0


def attach_root(interfaces: list[str], *, nop: bool, generic: bool, force: bool, filename: str = "") -> None:
    """Attach the root array, or nop, to each interface, and print what was done."""
    if nop and filename:
        raise UsageError("--nop", "does not go with --filename")
    print_changes(_attach(interfaces, nop=nop, generic=generic, force=force, filename=filename))


def _attach(interfaces: list[str], *, nop: bool, generic: bool, force: bool, filename: str) -> "Iterator[Change]":
    from ecbpf.chain.attach import attach, attach_nop, check_attach

    for interface in interfaces:
        check_attach(interface, generic=generic, force=force)
    for interface in interfaces:
        if nop:
            yield attach_nop(interface, generic=generic, force=force)
        else:
            yield attach(interface, generic=generic, force=force, filename=filename)


def _put_file(interfaces: list[str], slot: int, filename: str, program: str) -> "Iterator[Change]":
    from ecbpf.chain.occupant import find_root
    from ecbpf.chain.slots import put
    from ecbpf.chain.subprogram import FileSubprogram

    for interface in interfaces:
        find_root(interface)
    for interface in interfaces:
        yield put(interface, FileSubprogram(slot, filename, program))
