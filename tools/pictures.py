"""Draw docs/pictures/*.svg from the .dot files beside them (`make pictures`), with graphviz.

Each SVG names the digest of its source, so that a test without graphviz sees which one is out of date.
"""

import hashlib
import re
import subprocess
from pathlib import Path

__all__ = ["FOLDER", "digest", "digest_in", "draw"]

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"

# A card of its own, so that the picture reads on a dark page as well.
_CARD = '<rect width="100%" height="100%" rx="12" fill="white"/>'
_COMMENT = "<!-- drawn by tools/pictures.py; sha256 of the source: {} -->"


def digest(source: str) -> str:
    """The SHA-256 of a .dot file's text, in hexadecimal."""
    return hashlib.sha256(source.encode()).hexdigest()


def digest_in(svg: str) -> str:
    """The digest of the source that an SVG was drawn from; empty if it names none."""
    found = re.search(re.escape(_COMMENT).replace(r"\{\}", "([0-9a-f]{64})"), svg)
    return found[1] if found else ""


def draw(source: str) -> str:
    """The SVG of a .dot file's text. Raises CalledProcessError if graphviz refuses it."""
    svg = subprocess.run(["dot", "-Tsvg"], input=source, stdout=subprocess.PIPE, text=True, check=True).stdout
    title = re.search(r"^<title>(.*)</title>$", svg, re.MULTILINE)
    assert title, "the graph has no name"
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\n?|<title>.*</title>\n|<polygon fill=\"white\" stroke=\"transparent\".*\n", "", svg)
    opening, rest = svg.split(">\n", 1)
    return f"{opening}>\n{_COMMENT.format(digest(source))}\n<title>{title[1]}</title>\n{_CARD}\n{rest}"


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.dot")):
        path.with_suffix(".svg").write_text(draw(path.read_text()))
