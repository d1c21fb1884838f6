"""What an operator can set on a running filter: the variables of bpf/filter/settings.h."""

from __future__ import annotations

from collections.abc import Container

from ecbpf.errors import EcbpfError, UsageError
from ecbpf.kernel.globals import Globals

__all__ = ["DEFAULTS", "SECTION", "Settings", "check_settings", "parse_setting", "read_settings", "write_settings"]

SECTION = ".data.settings"

Settings = dict[str, bool | int]

# In the order of the C. What operators see always, and what only if it is not so.
DEFAULTS: Settings = {
    "frags_drop": True,
    "ptb_send": True,
    "ptb_max_pps": 20,
    "frags_pass_local": True,
    "ip_options_drop": True,
    "ip_evil_drop": True,
    "ip_header_abort": True,
    "ip6_header_drop": True,
}
_WORDS = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
_MAX_NUMBER = 2**32 - 1


def parse_setting(text: str) -> tuple[str, bool | int]:
    """A setting and its value from ``NAME=VALUE``. Raises UsageError."""
    name, equals, value = text.partition("=")
    if name not in DEFAULTS or not equals:
        raise UsageError(repr(text), "no setting of the filter", f"NAME=VALUE; names: {', '.join(DEFAULTS)}")
    if isinstance(DEFAULTS[name], bool):
        if value.lower() not in _WORDS:
            raise UsageError(f"{name}={value}", "neither on nor off", f"{name}=on or {name}=off")
        return name, _WORDS[value.lower()]
    is_number = value.isascii() and value.isdigit() and len(value) <= len(str(_MAX_NUMBER))
    if not is_number or int(value) > _MAX_NUMBER:
        raise UsageError(f"{name}={value}", "no number of packets a second", f"give 0 (off) to {_MAX_NUMBER}")
    return name, int(value)


def check_settings(known: Container[str], wanted: Settings) -> None:
    """Raise EcbpfError if a filter, which knows some settings, is of a version without one that is wanted."""
    for name in wanted:
        if name not in known:
            why = "the filter is of a version without this setting"
            raise EcbpfError(name, why, "ecbpf filter attach upgrades it")


def read_settings(live: Globals) -> Settings:
    """The settings of a running filter. live: its section of them."""
    return {name: getattr(live, name) for name in live}


def write_settings(live: Globals, settings: Settings) -> None:
    """Store some settings, one by one: the next packet meets them. Raises as check_settings(), and stores none."""
    check_settings(live, settings)
    for name, value in settings.items():
        setattr(live, name, value)
