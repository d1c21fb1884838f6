"""Skeleton modules of the tests' kernel programs, imported."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from ecbpf.build.skeleton import build_skeleton

__all__ = ["imported", "made"]


def made(source: str, folder: Path) -> Any:
    """The module of a C file, written into the folder and imported; Any to type checkers."""
    path = folder / f"{Path(source).name.removesuffix('.bpf.c')}_bpf.py"
    build_skeleton(source, str(path))
    return imported(path)


def imported(path: Path) -> Any:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # enum looks its classes' module up
    spec.loader.exec_module(module)
    return module
