"""A class that does not fit its C is refused, before anything is attached, in a line that says where to look."""

from typing import Any

import pytest

from ecbpf.cli.subprogram import main
from ecbpf.errors import DataError
from ecbpf.fastpath.programs import Ingress
from ecbpf.filter.subprogram import Filter
from ecbpf.printk import Printk
from ecbpf.subprogram.base import StatefulSubprogram
from ecbpf.subprogram.check import check_class, check_settings
from ecbpf.subprogram.counters import CounterTable
from ecbpf.subprogram.settings import Number, Switch
from tests.support.objects import source_of
from tests.support.skeletons import made
from tests.support.stateful import attributes, class_of


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    module = made(source_of("subprogram/stateful"), tmp_path_factory.mktemp("stateful"))
    return attributes(module.StatefulBpf)


def check(kind: type[StatefulSubprogram]) -> None:
    check_class(kind)
    with kind.skeleton() as new:
        check_settings(kind, new.object.globals, is_own=True)


@pytest.mark.parametrize("kind", [Filter, Ingress, Printk])
def test_our_own_fit(kind: type[StatefulSubprogram]) -> None:
    check(kind)


def test_the_object_is_left_as_it_was(written: dict[str, Any]) -> None:
    with written["skeleton"]() as new:
        check_settings(class_of(written), new.object.globals, is_own=True)
        assert (new.live.drop_everything_at_once, new.live.length_of_the_longest) == (0, 1000)


def length(default: int = 1000, low: int = 0, high: int = 65535, name: str = "length_of_the_longest") -> Number:
    return Number(name, default, "longer packets are dropped", "number of bytes", low, high)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ""}, "has no name; set name in the class"),
    "no slot": ({"slot": ""}, "has no slot; set slot in the class"),
    "no program": ({"program": ""}, "has no program; set program in the class"),
    "no command": ({"command": ""}, "has no command; set command in the class"),
    "no skeleton": (
        {"skeleton": None},
        "has no skeleton; set skeleton in the class: python3 -m ecbpf",
    ),
    "a row without a comma": ({"settings": length()}, "settings is not a tuple; end a single row with a comma"),
    "another program": (
        {"program": "xdp_program"},
        "stateful.bpf.c has no program xdp_program; its programs: xdp_stateful_program",
    ),
    "a setting that the C does not have": (
        {"settings": (length(name="length"),)},
        "stateful.bpf.c has no variable length; its variables: chain_occupied, ",
    ),
    "another counter map": (
        {"counters": CounterTable("counters", "stateful_counter")},
        "stateful.bpf.c has no map counters; its maps: ",
    ),
    "another map": ({"maps": ("addresses",)}, "stateful.bpf.c has no map addresses; its maps: "),
    "another enum": (
        {"counters": CounterTable("counters_of_a_long_name", "state_counter")},
        "stateful.bpf.c has no enum state_counter; give COUNTERS() and CounterTable() the same name",
    ),
    "an enum that does not end": (
        {"counters": CounterTable("counters_of_a_long_name", "reason")},
        "enum reason does not end; its last enumerator is PREFIX_COUNTERS",
    ),
    "another default": (
        {"settings": (length(default=5),)},
        "length_of_the_longest is 5 in the class; it is 1000 in the C",
    ),
    "another default of a switch": (
        {"settings": (Switch("drop_everything_at_once", True, "drop all packets"),)},
        "drop_everything_at_once is True in the class; it is 0 in the C",
    ),
    "more than the variable holds": (
        {"settings": (length(high=65536),)},
        "length_of_the_longest may be 65536 in the class, which its variable cannot hold; give it another range",
    ),
    "less than the variable holds": (
        {"settings": (length(low=-1),)},
        "length_of_the_longest may be -1 in the class, which its variable cannot hold; give it another range",
    ),
}


@pytest.mark.parametrize(("change", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_a_class_that_does_not_fit(written: dict[str, Any], change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as raised:
        check(class_of(written | change))
    assert str(raised.value).startswith(f"class Stateful: {said}")


@pytest.mark.parametrize("attribute", ["name", "slot", "program", "command", "skeleton"])
def test_an_attribute_that_was_forgotten(
    written: dict[str, Any], capsys: pytest.CaptureFixture[str], attribute: str
) -> None:
    """Its own command says so, whatever the verb."""
    kind = class_of({name: value for name, value in written.items() if name != attribute})
    assert main(kind, ["status", "-i", "lo"]) == 65
    captured = capsys.readouterr()
    assert captured.err.startswith(f"ecbpf: class Stateful: has no {attribute}; set {attribute} in the class")
    assert (captured.out, captured.err.count("\n")) == ("", 1)
