"""The rows, one file per subject. Every file in this folder has a list ROWS."""

import importlib
import pkgutil

from bench.harness import Row

__all__ = ["every_row"]


def every_row() -> list[Row]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [row for name in names for row in importlib.import_module(f"{__name__}.{name}").ROWS]
