"""Write the tables of settings in docs/ from the rows that the commands read (`make tables`).

A page has its table between ``<!-- settings: NAME -->`` and ``<!-- end settings -->``.
"""

import re
from pathlib import Path

from ecbpf.fastpath.settings import TABLE as FASTPATH
from ecbpf.filter.subprogram import Filter
from ecbpf.printk import Printk
from ecbpf.subprogram.settings import SettingTable

__all__ = ["PAGES", "table", "with_tables"]

_DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted(_DOCS.glob("*.md"))
_TABLES = {"filter": Filter.table, "fastpath": FASTPATH, "printk": Printk.table}
_PLACE = re.compile(r"(<!-- settings: (\w+) -->\n).*?(<!-- end settings -->)", re.DOTALL)


def table(settings: SettingTable) -> str:
    """One line per setting, in Markdown."""
    lines = ["| setting | default | range | what it does |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{row.name}` | {row.shown_default} | {row.range} | {row.help} |" for row in settings.rows.values()
    ]
    return "".join(f"{line}\n" for line in lines)


def with_tables(page: str) -> str:
    """The text of a page, with its tables as they should be."""
    return _PLACE.sub(lambda found: found[1] + table(_TABLES[found[2]]) + found[3], page)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(with_tables(path.read_text()))
