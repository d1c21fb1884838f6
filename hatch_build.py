"""The wheel's build hook: compiles bpf/*.bpf.c with clang."""

import glob
import os
import shutil
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_ROOT = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(_ROOT, "src"))

from ecbpf.build import compile_object  # noqa: E402  (from this checkout, not from an installed ecbpf)


class Objects(BuildHookInterface):  # type: ignore[type-arg]
    """src/ecbpf/objects/*.bpf.o from bpf/*.bpf.c.

    ``DEBUG=1`` in the environment keeps the debug lines (`make DEBUG=1`).
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before hatchling collects the files; an editable install finds them in place."""
        build_objects()


def build_objects() -> None:
    """Compile every kernel program of this checkout."""
    debug = os.environ.get("DEBUG", "") not in ("", "0")
    objects = os.path.join(_ROOT, "src", "ecbpf", "objects")
    shutil.rmtree(objects, ignore_errors=True)  # with what was made of sources that are gone
    os.makedirs(objects)
    for source in sorted(glob.glob(os.path.join(_ROOT, "bpf", "*.bpf.c"))):
        output = os.path.join(objects, os.path.basename(source)[: -len(".c")] + ".o")
        compile_object(source, output, debug=debug)


if __name__ == "__main__":
    build_objects()
