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
    from ecbpf.fastpath.addresses import AddressChange
    from ecbpf.fastpath.flows import Flow
    from ecbpf.fastpath.running import RunningFastPath, find_fastpath
    from ecbpf.fastpath.status import AddressStatus, FastPathStatus, TableStatus, fastpath_flows, fastpath_status
    from ecbpf.fastpath.verbs import (
        FastPathAttached,
        FastPathChanged,
        attach_fastpath,
        change_fastpath,
        detach_fastpath,
    )
    from ecbpf.filter.change import Summary, flush
    from ecbpf.filter.running import RunningFilter, find_filter
    from ecbpf.filter.status import AddressCheck, Entry, FilterStatus, filter_status
    from ecbpf.filter.subprogram import Filter
    from ecbpf.filter.verbs import allow, allow_set, check_address, drop, drop_set, load_prefixes, unallow, undrop
    from ecbpf.kernel.object import Object
    from ecbpf.notices import listen
    from ecbpf.printk.subprogram import Printk
    from ecbpf.subprogram.base import StatefulSubprogram
    from ecbpf.subprogram.counters import CounterTable
    from ecbpf.subprogram.running import Running, find
    from ecbpf.subprogram.settings import Number, SettingChange, Switch
    from ecbpf.subprogram.status import SubprogramStatus
    from ecbpf.subprogram.verbs import change_settings
    from ecbpf.subprogram.verbs import status as subprogram_status

__version__ = "0.1.0"

__all__ = [
    "AddressChange",
    "AddressCheck",
    "AddressStatus",
    "BusyError",
    "Change",
    "CounterTable",
    "DataError",
    "EcbpfError",
    "Entry",
    "FastPathAttached",
    "FastPathChanged",
    "FastPathStatus",
    "FileSubprogram",
    "Filter",
    "FilterStatus",
    "Flow",
    "InterfaceStatus",
    "KernelError",
    "MissingError",
    "NotPermittedError",
    "Number",
    "Object",
    "Printk",
    "RootStatus",
    "Running",
    "RunningFastPath",
    "RunningFilter",
    "SettingChange",
    "SlotStatus",
    "StatefulSubprogram",
    "Subprogram",
    "SubprogramStatus",
    "Summary",
    "Switch",
    "TableStatus",
    "UsageError",
    "allow",
    "allow_set",
    "attach",
    "attach_fastpath",
    "attach_nop",
    "change_fastpath",
    "change_settings",
    "check_address",
    "detach",
    "detach_fastpath",
    "drop",
    "drop_set",
    "empty",
    "fastpath_flows",
    "fastpath_status",
    "filter_status",
    "find",
    "find_fastpath",
    "find_filter",
    "flush",
    "listen",
    "load_prefixes",
    "put",
    "status",
    "subprogram_main",
    "subprogram_status",
    "unallow",
    "undrop",
]

# Where each name is defined.
_HOMES = {
    "attach": "chain.attach:attach",
    "attach_nop": "chain.attach:attach_nop",
    "detach": "chain.attach:detach",
    "Change": "chain.change:Change",
    "empty": "chain.slots:empty",
    "put": "chain.slots:put",
    "InterfaceStatus": "chain.status:InterfaceStatus",
    "RootStatus": "chain.status:RootStatus",
    "SlotStatus": "chain.status:SlotStatus",
    "status": "chain.status:status",
    "FileSubprogram": "chain.subprogram:FileSubprogram",
    "Subprogram": "chain.subprogram:Subprogram",
    "subprogram_main": "cli.subprogram:main",
    "BusyError": "errors:BusyError",
    "DataError": "errors:DataError",
    "EcbpfError": "errors:EcbpfError",
    "KernelError": "errors:KernelError",
    "MissingError": "errors:MissingError",
    "NotPermittedError": "errors:NotPermittedError",
    "UsageError": "errors:UsageError",
    "AddressChange": "fastpath.addresses:AddressChange",
    "Flow": "fastpath.flows:Flow",
    "RunningFastPath": "fastpath.running:RunningFastPath",
    "find_fastpath": "fastpath.running:find_fastpath",
    "FastPathStatus": "fastpath.status:FastPathStatus",
    "fastpath_flows": "fastpath.status:fastpath_flows",
    "fastpath_status": "fastpath.status:fastpath_status",
    "attach_fastpath": "fastpath.verbs:attach_fastpath",
    "change_fastpath": "fastpath.verbs:change_fastpath",
    "detach_fastpath": "fastpath.verbs:detach_fastpath",
    "Summary": "filter.change:Summary",
    "flush": "filter.change:flush",
    "RunningFilter": "filter.running:RunningFilter",
    "find_filter": "filter.running:find_filter",
    "AddressCheck": "filter.status:AddressCheck",
    "Entry": "filter.status:Entry",
    "FilterStatus": "filter.status:FilterStatus",
    "filter_status": "filter.status:filter_status",
    "Filter": "filter.subprogram:Filter",
    "allow": "filter.verbs:allow",
    "allow_set": "filter.verbs:allow_set",
    "check_address": "filter.verbs:check_address",
    "drop": "filter.verbs:drop",
    "drop_set": "filter.verbs:drop_set",
    "load_prefixes": "filter.verbs:load_prefixes",
    "unallow": "filter.verbs:unallow",
    "undrop": "filter.verbs:undrop",
    "Object": "kernel.object:Object",
    "listen": "notices:listen",
    "Printk": "printk.subprogram:Printk",
    "StatefulSubprogram": "subprogram.base:StatefulSubprogram",
    "CounterTable": "subprogram.counters:CounterTable",
    "Running": "subprogram.running:Running",
    "find": "subprogram.running:find",
    "Number": "subprogram.settings:Number",
    "SettingChange": "subprogram.settings:SettingChange",
    "Switch": "subprogram.settings:Switch",
    "SubprogramStatus": "subprogram.status:SubprogramStatus",
    "change_settings": "subprogram.verbs:change_settings",
    "subprogram_status": "subprogram.verbs:status",
    "FastPathAttached": "fastpath.verbs:FastPathAttached",
    "FastPathChanged": "fastpath.verbs:FastPathChanged",
    "AddressStatus": "fastpath.status:AddressStatus",
    "TableStatus": "fastpath.status:TableStatus",
}


# Hidden from type checkers, which would take every name for one of ours.
if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, found = _HOMES[name].partition(":")
        return getattr(importlib.import_module(f"ecbpf.{module}"), found)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
