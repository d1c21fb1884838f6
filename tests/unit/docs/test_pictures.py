"""The pictures in the documentation are drawn from the sources beside them."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tools.pictures import FOLDER, digest, digest_in

CHECKOUT = FOLDER.parents[1]
SOURCES = sorted(FOLDER.glob("*.dot"))
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md")])


def test_every_picture_has_a_source() -> None:
    assert SOURCES
    assert {path.stem for path in FOLDER.glob("*.svg")} == {path.stem for path in SOURCES}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_picture_is_drawn_from_its_source(source: Path) -> None:
    """After a change of a .dot file: `make pictures`."""
    svg = source.with_suffix(".svg").read_text()
    assert digest_in(svg) == digest(source.read_text())
    root = ElementTree.fromstring(svg)
    assert root.findtext("{*}title")


def test_pages_show_every_picture_with_a_description() -> None:
    shown = {}
    for page in PAGES:
        for text, target in re.findall(r"!\[([^\]]*)\]\(([^)]+\.svg)\)", page.read_text()):
            assert (page.parent / target).is_file(), f"{page.name} shows {target}"
            assert len(text) > 40, f"{page.name} does not describe {target}"
            shown[(page.parent / target).name] = page
    assert set(shown) == {path.with_suffix(".svg").name for path in SOURCES}
