"""What the kit makes of a class: the verbs of a subprogram that belongs to no room."""

import json

import pytest

from ecbpf.chain.attach import attach
from ecbpf.chain.occupant import find_root
from ecbpf.cli.subprogram import main
from ecbpf.kernel.uapi import XDP_DROP, XDP_PASS
from ecbpf.subprogram.base import StatefulSubprogram
from tests.support.frames import FLOOD
from tests.support.objects import source_of
from tests.support.skeletons import made
from tests.support.stateful import attributes, class_of


@pytest.fixture(scope="module")
def kind(tmp_path_factory: pytest.TempPathFactory) -> type[StatefulSubprogram]:
    module = made(source_of("subprogram/stateful"), tmp_path_factory.mktemp("stateful"))
    return class_of(attributes(module.StatefulBpf))


def test_every_verb(near: str, kind: type[StatefulSubprogram], capsys: pytest.CaptureFixture[str]) -> None:
    def said(line: str) -> str:
        assert main(kind, line.replace("IF", f"-i {near}").split()) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out

    attach(near)
    assert said("attach IF") == f"{near}: stateful put in slot 3\n"
    program = find_root(near).program
    assert program.test_run(FLOOD).retval == XDP_PASS
    assert said("set IF drop_everything_at_once=on length_of_the_longest=20") == (
        f"{near}: drop_everything_at_once is on, was off\n{near}: length_of_the_longest is 20, was 1000\n"
    )
    assert program.test_run(FLOOD).retval == XDP_DROP
    state = json.loads(said("status IF --json"))[near]
    assert state["settings"] == {"drop_everything_at_once": True, "length_of_the_longest": 20}
    assert state["counters"] == {"seen": 2, "too_long": 1}
    text = said("status IF").splitlines()
    assert text[0].startswith(f"{near}: slot 3, ID {state['id']}, loaded ")
    assert text[1:] == [
        "  drop_everything_at_once: on",
        "  length_of_the_longest: 20",
        "  seen: 2",
        "  too_long: 1",
    ]
    assert said("attach IF length_of_the_longest=2000") == f"{near}: stateful replaced in slot 3\n"
    state = json.loads(said("status IF --json"))[near]
    assert state["settings"] == {"drop_everything_at_once": True, "length_of_the_longest": 2000}
    assert state["counters"] == {"seen": 2, "too_long": 1}
    assert said("clear IF") == f"{near}: counts cleared\n"
    assert json.loads(said("status IF --json"))[near]["counters"] == {"seen": 0, "too_long": 0}
    assert said("set IF --dry-run drop_everything_at_once=off") == (
        f"{near}: drop_everything_at_once would be off, is on\n"
    )
    assert said("detach IF") == f"{near}: slot 3 emptied\n"


BAD_INPUT = {
    "status": (1, "near0: no stateful in slot 3; attach it: python3 stateful.py attach -i near0"),
    "set length_of_the_longest=70000": (
        64,
        "length_of_the_longest=70000: not a valid number of bytes; give 0 to 65535",
    ),
    "set length=1": (
        64,
        "'length=1': not a setting of stateful; NAME=VALUE; names: drop_everything_at_once, ",
    ),
    "detach": (1, "near0: no stateful in slot 3; attach it: python3 stateful.py attach -i near0"),
    "clear": (1, "near0: no stateful in slot 3; attach it: python3 stateful.py attach -i near0"),
    "serve": (1, "near0: no stateful in slot 3; attach it: python3 stateful.py attach -i near0"),
}


@pytest.mark.parametrize(("line", "expected"), BAD_INPUT.items(), ids=BAD_INPUT.keys())
def test_bad_input(
    near: str,
    kind: type[StatefulSubprogram],
    capsys: pytest.CaptureFixture[str],
    line: str,
    expected: tuple[int, str],
) -> None:
    attach(near)
    verb, *words = line.split()
    status = main(kind, [verb, "-i", near, *words])
    captured = capsys.readouterr()
    assert (status, captured.out) == (expected[0], "")
    assert captured.err.startswith(f"ecbpf: {expected[1]}")
    assert captured.err.count("\n") == 1
