"""Settings of the filter as they are typed."""

import ctypes
from typing import Any

import pytest

from ecbpf.errors import EcbpfError, UsageError
from ecbpf.filter.subprogram import Filter
from ecbpf.kernel.globals import Globals
from ecbpf.subprogram.settings import SECTION, SettingTable, Switch

TABLE = Filter.table
DEFAULTS = TABLE.defaults


@pytest.fixture
def live() -> Globals:
    """The settings of a program that is not loaded."""
    with Filter().open() as found:
        section = found.btf.find(SECTION, "DATASEC")
        assert section is not None
        memory = ctypes.create_string_buffer(section.size_or_type)
        settings = Globals()
        settings._add(found.btf, section, memory, writable=True)
        for name in settings:
            setattr(settings, name, getattr(found.globals, name))
        return settings


@pytest.mark.parametrize("name", [name for name, value in DEFAULTS.items() if isinstance(value, bool)])
def test_switches(name: str) -> None:
    for word in ("true", "on", "yes", "1", "ON", "True"):
        assert TABLE.parse([f"{name}={word}"]) == {name: True}
    for word in ("false", "off", "no", "0", "OFF"):
        assert TABLE.parse([f"{name}={word}"]) == {name: False}
    for word in ("", "2", "maybe", " on", "on ", "on=off"):
        with pytest.raises(UsageError, match=rf"^{name}=.*: neither on nor off; {name}=on or {name}=off$"):
            TABLE.parse([f"{name}={word}"])


def test_numbers() -> None:
    assert TABLE.parse(["ptb_max_pps=0"]) == {"ptb_max_pps": 0}
    assert TABLE.parse(["ptb_max_pps=0020"]) == {"ptb_max_pps": 20}
    assert TABLE.parse(["ptb_max_pps=4294967295"]) == {"ptb_max_pps": 2**32 - 1}
    message = r": not a valid number of packets per second; give 0 \(off\) to 4294967295$"
    for word in ("-1", "4294967296", "", "on", "1.5", "1e3", "0x10", "+1", " 1", "1_000", "\u0663", "9" * 5000):
        with pytest.raises(UsageError, match=message):
            TABLE.parse([f"ptb_max_pps={word}"])


@pytest.mark.parametrize("text", ["", "=", "frags_drop", "frobs=1", "FRAGS_DROP=on", " frags_drop=on", "=on"])
def test_what_is_not_a_setting(text: str) -> None:
    with pytest.raises(UsageError, match="not a setting of filter; NAME=VALUE; names: frags_drop, ptb_send, "):
        TABLE.parse([text])


def test_defaults(live: Globals) -> None:
    assert list(TABLE.read(live).items()) == list(DEFAULTS.items())
    assert [type(value) for value in TABLE.read(live).values()] == [type(value) for value in DEFAULTS.values()]


def test_read_and_write(live: Globals) -> None:
    changes = {"ptb_send": False, "ptb_max_pps": 2**32 - 1}
    TABLE.write(live, changes)
    assert TABLE.read(live) == DEFAULTS | changes
    TABLE.write(live, {})
    assert TABLE.read(live) == DEFAULTS | changes


def test_an_older_filter_without_the_setting_stays_unchanged(live: Globals) -> None:
    newer = SettingTable(
        "filter", "ecbpf filter attach", [*TABLE.rows.values(), Switch("of_tomorrow", True, "new")]
    )
    why = "the running version of filter does not have this setting"
    message = f"of_tomorrow: {why}; ecbpf filter attach upgrades it"
    for attempt in (newer.write, newer.check):
        with pytest.raises(EcbpfError, match=f"^{message}$"):
            attempt(live, {"ptb_send": False, "of_tomorrow": True})
    assert TABLE.read(live) == DEFAULTS


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"frags_drop": False, "ptb_max_pps": "x"}, "ptb_max_pps=x: not a valid number of packets per second"),
        ({"frags_drop": False, "ptb_max_pps": 2**32}, "ptb_max_pps=4294967296: not a valid number of"),
        ({"frags_drop": False, "ptb_send": "off"}, "ptb_send=off: neither True nor False; give a bool"),
        ({"frags_drop": False, "nope": 1}, "'nope': not a setting of filter; NAME=VALUE; names: frags_drop, "),
    ],
)
def test_of_values_that_a_program_gives_all_are_stored_or_none(
    live: Globals, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as raised:
        TABLE.write(live, values)
    assert str(raised.value).startswith(said)
    assert TABLE.read(live) == DEFAULTS
