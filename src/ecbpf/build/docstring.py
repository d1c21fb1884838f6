"""Docstrings of generated modules, and readable C values."""

from __future__ import annotations

import ctypes
import textwrap
from typing import Any

__all__ = ["docstring", "value_text"]

_WIDTH = 104
_LONGEST = 300  # characters of a value


def docstring(text: str, *more: str, indent: str = "    ") -> list[str]:
    """The lines of a docstring. text: its first line, wrapped. more: further lines, not wrapped."""
    first, *rest = (line.replace("\\", "\\\\").replace('"""', "'''") for line in (text, *more))
    lines = [*textwrap.wrap(first, _WIDTH, break_on_hyphens=False), *rest]
    lines[0] = f'"""{lines[0]}'
    if len(lines) == 1:
        return [f'{indent}{lines[0]}"""']
    return [*(f"{indent}{line}" if line else "" for line in lines), f'{indent}"""']


def value_text(value: Any) -> str:
    """An initial value, shortened if it is long."""
    if isinstance(value, (ctypes.Structure, ctypes.Union, ctypes.Array)) and not any(bytes(value)):
        return "all zero"
    text = _text(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _text(value: Any) -> str:
    if isinstance(value, ctypes.Array):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, (ctypes.Structure, ctypes.Union)):
        names: Any = getattr(value, "_names_", ())
        return f"{{{', '.join(f'{name}={_text(getattr(value, name))}' for name in names)}}}"
    return repr(value)
