"""Settings of a subprogram: global variables of its C source, which operators change by name.

One row per setting describes it completely: parsing, checking, help, the table in the docs and completion are
made from that row.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import ClassVar

from ecbpf.errors import EcbpfError, UsageError
from ecbpf.kernel.globals import Globals

__all__ = ["SECTION", "Number", "Setting", "SettingChange", "SettingTable", "Switch", "Values", "word"]

SECTION = ".data.settings"  # include/ecbpf/setting.h

Values = dict[str, bool | int]

_WORDS = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


def word(value: bool | int) -> str:
    """A value as operators type it: on, off, or a number."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Switch:
    """A setting that is on or off.

    name: of the variable in the C source. help: one line. flag: of the classic command that sets it, "" for none.
    """

    name: str
    default: bool
    help: str
    flag: str = ""

    range: ClassVar[str] = "on, off"

    @property
    def shown_default(self) -> str:
        """The default, for help and docs."""
        return word(self.default)

    def parse(self, text: str) -> bool:
        """on, true, yes, 1; off, false, no, 0. Raises UsageError."""
        if text.lower() not in _WORDS:
            raise UsageError(f"{self.name}={text}", "neither on nor off", f"{self.name}=on or {self.name}=off")
        return _WORDS[text.lower()]

    def check(self, value: object) -> None:
        """Raise UsageError if `value` is not one of this setting."""
        if not isinstance(value, bool):
            raise UsageError(f"{self.name}={value}", "neither True nor False", "give a bool")


@dataclass(frozen=True)
class Number:
    """A setting that is a whole number. name, help, flag: as for a Switch.

    unit: what the number is, for errors: "number of packets per second". low, high: its range. lowest: the special
    meaning of the lowest value, "" for none. measured: what the default depends on, if it depends on the machine.
    """

    name: str
    default: int
    help: str
    unit: str
    low: int
    high: int
    lowest: str = ""
    measured: str = ""
    flag: str = ""

    @property
    def range(self) -> str:
        """The valid values."""
        low = f"{self.low} ({self.lowest})" if self.lowest else f"{self.low}"
        return f"{low} to {self.high}"

    @property
    def shown_default(self) -> str:
        """The default, or what it depends on."""
        return self.measured or word(self.default)

    def parse(self, text: str) -> int:
        """The number in decimal digits. Raises UsageError."""
        digits = text.removeprefix("-") if self.low < 0 else text
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= len(str(self.high))
        value = int(text) if is_number else None
        self.check(value, text)
        assert value is not None
        return value

    def check(self, value: object, text: str | None = None) -> None:
        """Raise UsageError if `value` is not one of this setting. text: what it was given as."""
        if not isinstance(value, int) or not self.low <= value <= self.high:
            shown = str(value) if text is None else text
            raise UsageError(f"{self.name}={shown}", f"not a valid {self.unit}", f"give {self.range}")


Setting = Switch | Number


@dataclass(frozen=True)
class SettingChange:
    """One setting before and after a change. interface: "" if one value applies to all interfaces."""

    interface: str
    name: str
    before: bool | int
    after: bool | int


class SettingTable:
    """The settings of one subprogram."""

    def __init__(self, owner: str, upgrade: str, rows: Iterable[Setting] = ()) -> None:
        """owner: the subprogram, for errors. upgrade: the command that loads a newer version."""
        self.rows = {row.name: row for row in rows}
        self.defaults: Values = {name: row.default for name, row in self.rows.items()}
        self._owner = owner
        self._upgrade = upgrade

    def parse(self, texts: Iterable[str]) -> Values:
        """Settings by name, from texts ``NAME=VALUE``. Of one that is named twice, the last value counts.

        Raises UsageError.
        """
        return dict(self._parse(text) for text in texts)

    def _parse(self, text: str) -> tuple[str, bool | int]:
        name, equals, value = text.partition("=")
        if name not in self.rows or not equals:
            raise self._unknown(text)
        return name, self.rows[name].parse(value)

    def _unknown(self, text: str) -> UsageError:
        names = f"NAME=VALUE; names: {', '.join(self.rows)}" if self.rows else "it has none"
        return UsageError(repr(text), f"not a setting of {self._owner}", names)

    def check(self, known: Container[str], wanted: Values) -> None:
        """Raise what is wrong with wanted settings, given what the running version has.

        UsageError: there is no such setting, or a value is not one of it. EcbpfError: `known` lacks it.
        """
        for name, value in wanted.items():
            if name not in self.rows:
                raise self._unknown(name)
            self.rows[name].check(value)
            if name not in known:
                why = f"the running version of {self._owner} does not have this setting"
                raise EcbpfError(name, why, f"{self._upgrade} upgrades it")

    def read(self, live: Globals) -> Values:
        """All settings that the running version has. live: its data section SECTION."""
        return {name: self._value(name, getattr(live, name)) for name in live}

    def _value(self, name: str, value: bool | int) -> bool | int:
        """A switch may be any integer in the C."""
        return bool(value) if isinstance(self.rows.get(name), Switch) else value

    def write(self, live: Globals, values: Values) -> None:
        """Store settings, in force from the next packet on. Raises as check(), and then stores none."""
        self.check(live, values)
        for name, value in values.items():
            setattr(live, name, value)
