"""The XDP data path of an edge load balancer, and its control plane.

The names below are the public surface (docs/library.md). Each is loaded when it is first used, so that a status
command does not pay for what it does not need.
"""

import importlib

TYPE_CHECKING = False  # typing's own costs its import
if TYPE_CHECKING:
    from ecbpf.chain.attach import attach, attach_nop, detach
    from ecbpf.chain.change import Change
    from ecbpf.chain.slots import empty, put
    from ecbpf.chain.status import InterfaceStatus, RootStatus, SlotStatus, status
    from ecbpf.chain.subprogram import FileSubprogram, Subprogram
    from ecbpf.cli.subprogram import main as subprogram_main
    from ecbpf.errors import (
        BusyError,
        DataError,
        EcbpfError,
        KernelError,
        MissingError,
        NotPermittedError,
        UsageError,
    )
    from ecbpf.notices import listen
    from ecbpf.subprogram.base import StatefulSubprogram
    from ecbpf.subprogram.counters import CounterTable
    from ecbpf.subprogram.running import Running, find
    from ecbpf.subprogram.settings import Number, SettingChange, Switch

__version__ = "0.1.0"
