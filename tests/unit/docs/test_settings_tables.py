"""The tables of settings in docs/ are those of the code."""

from pathlib import Path

import pytest

from tools.settings_tables import PAGES, with_tables


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_page_has_the_tables_of_the_code(path: Path) -> None:
    page = path.read_text()
    assert page == with_tables(page), "make tables"


@pytest.mark.parametrize("name", ["filter", "fastpath", "printk"])
def test_every_subprogram_has_its_table(name: str) -> None:
    (path,) = [path for path in PAGES if path.name == f"{name}.md"]
    assert f"<!-- settings: {name} -->\n| setting |" in path.read_text()
