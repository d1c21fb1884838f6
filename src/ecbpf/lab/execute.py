"""Replace this process by a command inside a node of the lab."""

import os
import signal
import sys
from typing import NoReturn

from ecbpf.errors import EcbpfError
from ecbpf.lab.labs import enter

__all__ = ["CommandNotFoundError", "NotExecutableError", "execute"]


class CommandNotFoundError(EcbpfError):
    """There is no such command; the exit status is the shell's."""

    exit_status = 127


class NotExecutableError(EcbpfError):
    """The command cannot be executed; the exit status is the shell's."""

    exit_status = 126


def execute(name: str, command: list[str]) -> NoReturn:
    """Replace this process by `command` (looked up on PATH) in the network of the node `name`.

    The process id, standard streams, folder and mount namespace stay; signals and the exit
    status are then the command's own. Raises CommandNotFoundError, NotExecutableError and
    what enter() raises.
    """
    enter(name)
    # Python ignores these two, and an ignored signal stays ignored after exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    sys.stdout.flush()
    try:
        os.execvpe(command[0], command, os.environ | {"PATH": _path()})
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CommandNotFoundError(command[0], "command not found") from error
    except OSError as error:
        raise NotExecutableError(command[0], error.strerror or "cannot be executed") from error


def _path() -> str:
    # A checkout's .venv/bin is seldom on the PATH of root or of sudo. It goes first, so that `ecbpf`
    # inside the lab is the same as outside and not another installed version.
    path = os.environ.get("PATH", os.defpath)
    own = os.path.dirname(sys.executable)
    return path if own in path.split(os.pathsep) else f"{own}{os.pathsep}{path}"
