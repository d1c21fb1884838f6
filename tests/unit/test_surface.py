"""The public surface: its names and signatures against a recorded list, so that a change of them is a decision.

After an intended change: ``python -m tests.unit.test_surface > tests/unit/surface.txt``.
"""

import ast
import enum
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ecbpf

RECORDED = Path(__file__).with_name("surface.txt")
PAGE = Path(__file__).parents[2] / "docs" / "library.md"


def described(name: str) -> str:
    """The name with what its users see: a function's or constructor's parameters, a class's public members."""
    thing = getattr(ecbpf, name)
    if not inspect.isclass(thing):
        return f"{name}{_signature(thing)}"
    own = {**thing.__dict__, **getattr(thing, "__annotations__", {})}
    members = sorted(member for member in own if not member.startswith("_"))
    is_plain = issubclass(thing, (Exception, enum.Enum)) or "__init__" not in thing.__dict__
    parameters = "" if is_plain else _signature(thing)
    return f"class {name}{parameters}: {', '.join(members) or '-'}"


def _signature(thing: Any) -> str:
    """Types by their own names, whether annotations are strings or not."""
    text = re.sub(r"(: |-> )'([^']+)'", r"\1\2", str(inspect.signature(thing)))
    return re.sub(r"\becbpf\.[a-z_.]+\.|collections\.abc\.", "", text)


def surface() -> str:
    return "".join(f"{described(name)}\n" for name in sorted(ecbpf.__all__))


def test_the_surface_is_what_was_recorded() -> None:
    assert surface() == RECORDED.read_text()


def test_type_checkers_see_the_same_names() -> None:
    """The imports for type checkers have the same names as __all__ and __getattr__."""
    tree = ast.parse(Path(ecbpf.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname or alias.name: (node.module, alias.name) for node in imports for alias in node.names}
    assert set(seen) == set(ecbpf.__all__)
    for name, (module, found) in seen.items():
        assert f"ecbpf.{ecbpf._HOMES[name]}" == f"{module}:{found}"


def test_no_other_name_is_found() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = ecbpf.nothing  # type: ignore[attr-defined]
    assert set(ecbpf.__all__) <= set(dir(ecbpf))


def test_an_import_loads_nothing_else() -> None:
    script = "import sys, ecbpf; print(sorted(name for name in sys.modules if name.startswith('ecbpf')))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['ecbpf']"


@pytest.mark.parametrize("name", ecbpf.__all__)
def test_the_page_names_it(name: str) -> None:
    assert f"`{name}" in PAGE.read_text()


if __name__ == "__main__":
    sys.stdout.write(surface())
