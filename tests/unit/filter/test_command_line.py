"""The command line of `ecbpf filter`: its verbs, the words of earlier versions, and their options."""

import re

import pytest

from ecbpf.cli.main import build_parser, main
from ecbpf.cli.parser import Parser
from ecbpf.filter.subprogram import Filter

VERBS = [
    *("attach", "detach", "status", "set", "clear", "serve"),  # of every subprogram
    *("drop", "undrop", "allow", "unallow", "list", "check", "load", "save", "flush"),
]


@pytest.fixture(scope="module")
def parser() -> Parser:
    return build_parser("filter")


def _help(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["filter", *words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_lists_the_verbs_and_no_word_of_earlier_versions(capsys: pytest.CaptureFixture[str]) -> None:
    listed = re.findall(r"^    (\S+)", _help(capsys), re.MULTILINE)
    assert listed == VERBS


@pytest.mark.parametrize("verb", ["attach", "set"])
def test_help_has_a_line_per_setting(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    text = _help(capsys, verb)
    for row in Filter.settings:
        assert re.search(rf"^  {row.name} +{re.escape(row.help)} \(.*; (on|20)\)$", text, re.MULTILINE), row.name


@pytest.mark.parametrize(
    ("words", "verb", "options"),
    [
        ("attach ptb_max_pps=7 frags_drop=off", "attach", {"settings": ["ptb_max_pps=7", "frags_drop=off"]}),
        ("attach --filename F", "attach", {"settings": [], "filename": "F"}),
        ("set ptb_send=no --dry-run", "set", {"settings": ["ptb_send=no"], "dry_run": True}),
        ("status", "status", {"json": False, "watch": None}),
        ("status --watch", "status", {"json": False, "watch": 1.0}),
        ("status --json --watch 2.5", "status", {"json": True, "watch": 2.5}),
        ("clear", "clear", {}),
        ("clear-status", "clear", {}),
        ("flush", "flush", {"dry_run": False}),
        ("flush --dry-run", "flush", {"dry_run": True}),
        ("serve", "serve", {"statsd": None, "detach_on_exit": False}),
        ("watch", "serve", {"statsd": None, "detach_on_exit": False}),
        ("serve --detach-on-exit", "serve", {"statsd": None, "detach_on_exit": True}),
        ("serve --statsd", "serve", {"statsd": ("127.0.0.1", 8125)}),
        ("serve --statsd host", "serve", {"statsd": ("host", 8125)}),
        ("serve --statsd host:9", "serve", {"statsd": ("host", 9)}),
        ("serve --statsd 192.0.2.1:9", "serve", {"statsd": ("192.0.2.1", 9)}),
        ("serve --statsd 2001:db8::1", "serve", {"statsd": ("2001:db8::1", 8125)}),
        ("serve --statsd [2001:db8::1]", "serve", {"statsd": ("2001:db8::1", 8125)}),
        ("serve --statsd [2001:db8::1]:9", "serve", {"statsd": ("2001:db8::1", 9)}),
        ("statsd", "statsd", {"host": None, "port": None, "detach_on_exit": False}),
        ("statsd --host h --port 9 --detach-on-exit", "statsd", {"host": "h", "port": 9, "detach_on_exit": True}),
        ("drop 10.0.0.1 --tag t", "drop", {"prefixes": ["10.0.0.1"], "tag": "t", "dry_run": False}),
        ("undrop 10.0.0.1 --dry-run", "undrop", {"prefixes": ["10.0.0.1"], "dry_run": True}),
        ("allow 10.0.0.1", "allow", {"prefixes": ["10.0.0.1"], "tag": "", "dry_run": False}),
        ("unallow 10.0.0.1", "unallow", {"prefixes": ["10.0.0.1"], "dry_run": False}),
        ("list --allowed --json", "list", {"allowed": True, "json": True}),
        ("check 10.0.0.1 10.0.0.2", "check", {"addresses": ["10.0.0.1", "10.0.0.2"], "json": False}),
        ("load F --replace", "load", {"file": "F", "replace": True, "dry_run": False}),
        ("save -", "save", {"file": "-"}),
    ],
)
def test_words_and_options(parser: Parser, words: str, verb: str, options: dict[str, object]) -> None:
    parsed = vars(parser.parse_args(["filter", *words.split(), "-i", "eth0"]))
    assert parsed["verb"] == verb
    assert parsed["interface"] == ["eth0"]
    assert {name: parsed[name] for name in options} == options
