"""Other versions of the kernel programs: the current sources with edits."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from ecbpf.build import compile_object
from ecbpf.paths import include_dir

__all__ = ["Edit", "Version"]


class Edit(NamedTuple):
    """An edit of a file in bpf/: a text in it, and its replacement."""

    file: str
    text: str
    instead: str


class Version:
    """The sources of one version; `built` compiles a program from them."""

    def __init__(self, folder: Path, *edits: Edit) -> None:
        """folder: a new one, where the sources and objects go."""
        self.folder = folder
        shutil.copytree(os.path.dirname(include_dir()), folder)
        for file, text, instead in edits:
            source = (folder / file).read_text()
            assert text in source
            (folder / file).write_text(source.replace(text, instead, 1))

    def built(self, name: str) -> str:
        """The path of the object NAME.bpf.o."""
        output = str(self.folder / f"{name}.bpf.o")
        if not os.path.exists(output):
            compile_object(str(self.folder / f"{name}.bpf.c"), output)
        return output
