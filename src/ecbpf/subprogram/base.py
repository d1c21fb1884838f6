"""The base class of subprograms with settings and counters (docs/subprogram.md)."""

from __future__ import annotations

from typing import ClassVar

from ecbpf.chain.subprogram import Subprogram
from ecbpf.errors import DataError
from ecbpf.kernel.object import Object
from ecbpf.subprogram.check import check_class, check_settings
from ecbpf.subprogram.counters import CounterTable
from ecbpf.subprogram.settings import SECTION, Setting, SettingTable, Values

__all__ = ["StatefulSubprogram"]


class StatefulSubprogram(Subprogram):
    """A subprogram with settings and counters, which has the verbs attach, detach, status, set, clear and serve.

    Subclass it with the attributes of Subprogram and

    program: the function in the object; it may not be left out here.
    command: the command that its verbs follow, for hints: "ecbpf filter".
    settings: one row per variable that operators set; in the C they are declared SETTING (setting.h).
    counters: where its counts are (counter.h), None for no counts.
    maps: other maps that Python reads or writes; a running version without them is refused.
    metric: the prefix of its gauges' names in statsd; if left out, "xdp." and the name.

    `table` is made from the settings, unless the class defines one.
    """

    command: ClassVar[str]
    settings: ClassVar[tuple[Setting, ...]] = ()
    counters: ClassVar[CounterTable | None] = None
    maps: ClassVar[tuple[str, ...]] = ()
    metric: ClassVar[str] = ""
    table: ClassVar[SettingTable]

    def __init_subclass__(cls) -> None:
        """Make the table. What the class lacks, check_class() says."""
        super().__init_subclass__()
        name, settings = getattr(cls, "name", ""), cls.settings if isinstance(cls.settings, tuple) else ()
        if "table" not in cls.__dict__:
            cls.table = SettingTable(name, f"{getattr(cls, 'command', '')} attach", settings)
        cls.metric = cls.metric or f"xdp.{name}"

    def __init__(self, values: Values | None = None, filename: str = "") -> None:
        """values: settings in force from the first packet on. filename: the object, if not the class's own."""
        self.values = values or {}
        if filename:
            self.object = filename

    def configure(self, new: Object, interface: str) -> None:
        """Check that class and object fit, and write the settings. Raises DataError, EcbpfError."""
        check_class(type(self))
        check_settings(type(self), new.globals, is_own=not self.object)
        missing = [name for name in self.needed_maps() if name not in new.map_names]
        if missing:
            raise DataError(
                new.name, f"not an object of the {self.name}: it lacks {', '.join(missing)}", "give another file"
            )
        self.table.write(new.globals, self.values)

    def placed(self, new: Object) -> None:
        """Write the settings again: those taken over from the version before have overwritten them."""
        self.table.write(new.globals, self.values)

    @classmethod
    def needed_maps(cls) -> tuple[str, ...]:
        """All maps that Python reads or writes, data sections among them."""
        counters = (cls.counters.map_name,) if cls.counters else ()
        return (*cls.maps, *counters, *((SECTION,) if cls.settings else ()))

    @classmethod
    def attach_command(cls, interface: str = "") -> str:
        """The command that attaches it, for hints."""
        return f"{cls.command} attach -i {interface or 'IFACES'}"

    @classmethod
    def replace_hint(cls, interface: str = "") -> str:
        """The hint for errors about another version that is running."""
        return f"{cls.attach_command(interface)} replaces it"
