"""Settings of a running subprogram: global variables of its C, by name, as operators type and change them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from ecbpf.errors import EcbpfError, UsageError
from ecbpf.kernel.globals import Globals

__all__ = ["Number", "SettingTable", "Settings", "Switch"]

Settings = dict[str, bool | int]

_WORDS = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


@dataclass(frozen=True)
class Switch:
    """On or off."""

    default: bool

    def parse(self, name: str, text: str) -> bool:
        """The value of `text`. Raises UsageError."""
        if text.lower() not in _WORDS:
            raise UsageError(f"{name}={text}", "neither on nor off", f"{name}=on or {name}=off")
        return _WORDS[text.lower()]


@dataclass(frozen=True)
class Number:
    """A whole number. what: it is, for errors; off: what the lowest one means, if that is no number."""

    default: int
    what: str
    low: int
    high: int
    off: str = ""

    def parse(self, name: str, text: str) -> int:
        """The value of `text`, in decimal digits. Raises UsageError."""
        digits = text.removeprefix("-") if self.low < 0 else text
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= len(str(self.high))
        if not is_number or not self.low <= int(text) <= self.high:
            low = f"{self.low} ({self.off})" if self.off else f"{self.low}"
            raise UsageError(f"{name}={text}", f"no {self.what}", f"give {low} to {self.high}")
        return int(text)


class SettingTable:
    """What there is to set."""

    def __init__(self, owner: str, upgrade: str, kinds: Mapping[str, Switch | Number]) -> None:
        """owner: whose settings, for errors. upgrade: the command that brings a newer one. kinds: in C's order."""
        self.kinds = kinds
        self.defaults: Settings = {name: kind.default for name, kind in kinds.items()}
        self._owner = owner
        self._upgrade = upgrade

    def parse(self, text: str) -> tuple[str, bool | int]:
        """A setting and its value from ``NAME=VALUE``. Raises UsageError."""
        name, equals, value = text.partition("=")
        if name not in self.kinds or not equals:
            raise UsageError(
                repr(text), f"no setting of {self._owner}", f"NAME=VALUE; names: {', '.join(self.kinds)}"
            )
        return name, self.kinds[name].parse(name, value)

    def check(self, known: Container[str], wanted: Settings) -> None:
        """Raise EcbpfError if one that runs, which knows some settings, is of a version without a wanted one."""
        for name in wanted:
            if name not in known:
                why = f"{self._owner} is of a version without this setting"
                raise EcbpfError(name, why, f"{self._upgrade} upgrades it")

    def read(self, live: Globals) -> Settings:
        """Those of a running one. live: its section of them."""
        return {name: getattr(live, name) for name in live}

    def write(self, live: Globals, settings: Settings) -> None:
        """Store some, one by one: the next packet meets them. Raises as check(), and stores none."""
        self.check(live, settings)
        for name, value in settings.items():
            setattr(live, name, value)
