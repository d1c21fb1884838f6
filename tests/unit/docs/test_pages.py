"""The links between the pages of the documentation."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md"), CHECKOUT / "bench/README.md"])
PAGES += [CHECKOUT / "tests/vm/README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_page_is_linked_from_another() -> None:
    named = "".join(page.read_text() for page in PAGES)
    pages = [page.name for page in CHECKOUT.glob("docs/*.md")]
    assert len(pages) > 3
    assert [name for name in pages if f"{name})" not in named] == []
