"""Settings of the filter as they are typed."""

import ctypes
from typing import ClassVar

import pytest

from ecbpf.errors import EcbpfError, UsageError
from ecbpf.filter.settings import DEFAULTS, check_settings, parse_setting, read_settings, write_settings


class _Live(ctypes.Structure):
    """As kernel.layout makes them: struct filter_settings of a version with three."""

    _names_: ClassVar = {"frags_drop": ctypes.c_uint8, "ptb_send": ctypes.c_uint8, "ptb_max_pps": ctypes.c_uint32}
    _fields_ = list(_names_.items())


@pytest.mark.parametrize("name", [name for name, value in DEFAULTS.items() if isinstance(value, bool)])
def test_switches(name: str) -> None:
    for word in ("true", "on", "yes", "1", "ON", "True"):
        assert parse_setting(f"{name}={word}") == (name, True)
    for word in ("false", "off", "no", "0", "OFF"):
        assert parse_setting(f"{name}={word}") == (name, False)
    for word in ("", "2", "maybe", " on", "on ", "on=off"):
        with pytest.raises(UsageError, match=rf"^{name}=.*: neither on nor off; {name}=on or {name}=off$"):
            parse_setting(f"{name}={word}")


def test_numbers() -> None:
    assert parse_setting("ptb_max_pps=0") == ("ptb_max_pps", 0)
    assert parse_setting("ptb_max_pps=0020") == ("ptb_max_pps", 20)
    assert parse_setting("ptb_max_pps=4294967295") == ("ptb_max_pps", 2**32 - 1)
    for word in ("-1", "4294967296", "", "on", "1.5", "1e3", "0x10", "+1", " 1", "1_000", "\u0663", "9" * 5000):
        with pytest.raises(UsageError, match=r": no number of packets a second; give 0 \(off\) to 4294967295$"):
            parse_setting(f"ptb_max_pps={word}")


@pytest.mark.parametrize("text", ["", "=", "frags_drop", "frobs=1", "FRAGS_DROP=on", " frags_drop=on", "=on"])
def test_what_is_no_setting(text: str) -> None:
    with pytest.raises(UsageError, match="no setting of the filter; NAME=VALUE; names: frags_drop, ptb_send, "):
        parse_setting(text)


def test_read_and_write() -> None:
    live = _Live(1, 0, 7)
    assert read_settings(live) == {"frags_drop": True, "ptb_send": False, "ptb_max_pps": 7}
    assert read_settings(live)["frags_drop"] is True, "true in JSON, and not 1"
    write_settings(live, {"ptb_send": True, "ptb_max_pps": 2**32 - 1})
    assert read_settings(live) == {"frags_drop": True, "ptb_send": True, "ptb_max_pps": 2**32 - 1}
    write_settings(live, {})


def test_an_older_filter_without_the_setting_is_left_as_it_was() -> None:
    live = _Live(1, 0, 7)
    message = "ip_evil_drop: the filter is of a version without this setting; ecbpf filter attach upgrades it"
    for attempt in (write_settings, lambda live, wanted: check_settings(live._names_, wanted)):
        with pytest.raises(EcbpfError, match=f"^{message}$"):
            attempt(live, {"ptb_send": True, "ip_evil_drop": False})
    assert read_settings(live) == {"frags_drop": True, "ptb_send": False, "ptb_max_pps": 7}
