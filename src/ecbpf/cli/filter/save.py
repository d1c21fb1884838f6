"""The verb save: the drop set as a file, written whole or not at all."""

import os
import stat
import tempfile

from ecbpf.cli.filter.show import show_list
from ecbpf.errors import EcbpfError, UsageError
from ecbpf.filter.files import lines_of
from ecbpf.filter.lists import DROP, Lists
from ecbpf.filter.running import find_filter

__all__ = ["save"]


def save(interfaces: list[str], path: str) -> None:
    """Write the drop set of one interface to a file, and say so. path: "-": to standard output."""
    if len(interfaces) != 1:
        raise UsageError("save", "writes the drop set of one interface", "name one")
    if path == "-":
        show_list(interfaces, DROP, as_json=False)
        return
    lists = find_filter(interfaces[0]).sets.read()
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "w", encoding="utf-8") as device:
                device.writelines(f"{line}\n" for line in lines_of(lists, DROP))
        else:
            _write(lists, os.path.realpath(path))
    except OSError as error:
        raise EcbpfError(path or "''", error.strerror or str(error), "save it elsewhere") from None
    count = lists.count(DROP)
    print(f"{interfaces[0]}: {count} {'prefix' if count == 1 else 'prefixes'} written to {path}")


def _write(lists: Lists, path: str) -> None:
    """Write a file of that name, whole or not at all. Raises OSError."""
    with tempfile.NamedTemporaryFile(
        "w",
        encoding="utf-8",
        dir=os.path.dirname(path) or ".",
        prefix=f".{os.path.basename(path)}.",
        delete=False,
    ) as file:
        try:
            file.writelines(f"{line}\n" for line in lines_of(lists, DROP))
            file.flush()
            os.fsync(file.fileno())
            _set_rights(file.fileno(), path)
            os.rename(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _set_rights(file: int, path: str) -> None:
    """Owner and mode of the file that this one replaces, or of any new file. Raises OSError."""
    try:
        old = os.stat(path)
    except FileNotFoundError:
        umask = os.umask(0o077)
        os.umask(umask)
        os.fchmod(file, 0o666 & ~umask)
    else:
        os.fchown(file, old.st_uid, old.st_gid)
        os.fchmod(file, stat.S_IMODE(old.st_mode))
