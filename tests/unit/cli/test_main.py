"""Common to all commands: an error is one line, with its exit status."""

import importlib

import pytest

from ecbpf.cli.main import run


def test_kernel_programs_that_are_not_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda: bool(importlib.import_module("ecbpf.objects.no_such"))) == 69
    assert (
        capsys.readouterr().err
        == "ecbpf: ecbpf.objects.no_such: the kernel programs are not compiled; make setup\n"
    )


def test_another_module_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda: bool(importlib.import_module("no_such_module"))) == 70
    assert "internal error: ModuleNotFoundError: No module named 'no_such_module'" in capsys.readouterr().err
