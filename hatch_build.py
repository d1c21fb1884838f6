"""The wheel's build hook: compiles bpf/*.bpf.c with clang, and makes a Python module from each object."""

import glob
import os
import shutil
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_ROOT = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(_ROOT, "src"))

from ecbpf.build import compile_object  # noqa: E402  (from this checkout, not from an installed ecbpf)
from ecbpf.build.skeleton import skeleton_module  # noqa: E402


class Objects(BuildHookInterface):  # type: ignore[type-arg]
    """src/ecbpf/objects/*.py and *.bpf.o from bpf/*.bpf.c.

    ``DEBUG=1`` in the environment keeps the debug lines (`make DEBUG=1`).
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before hatchling collects the files; an editable install finds them in place."""
        build_objects()


def build_objects() -> None:
    """Compile every kernel program of this checkout."""
    debug = os.environ.get("DEBUG", "") not in ("", "0")
    objects = os.path.join(_ROOT, "src", "ecbpf", "objects")
    shutil.rmtree(objects, ignore_errors=True)  # also those whose sources no longer exist
    os.makedirs(objects)
    _write(os.path.join(objects, "__init__.py"), '"""The kernel programs, compiled: made by the build."""\n')
    for source in sorted(glob.glob(os.path.join(_ROOT, "bpf", "*.bpf.c"))):
        name = os.path.basename(source)
        compiled = os.path.join(objects, name.removesuffix(".c") + ".o")
        sys.stderr.write(compile_object(source, compiled, debug=debug))
        with open(compiled, "rb") as file:
            module = skeleton_module(file.read(), name)
        _write(os.path.join(objects, name.removesuffix(".bpf.c") + ".py"), module)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    build_objects()
