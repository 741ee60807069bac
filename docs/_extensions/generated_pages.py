"""Writes what is generated before Sphinx reads its sources: rules, gallery, help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import gallery_pages
import help_texts
import rule_pages

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages as soon as the configuration is read."""
    app.connect("config-inited", _write_all)
    return {"parallel_read_safe": True}


def _write_all(app: Sphinx, config: Config) -> None:
    docs = Path(app.srcdir)
    scripts = docs.parent / "examples" / "gallery"
    write(docs / "rules", rule_pages.pages())
    write(docs / "gallery", gallery_pages.pages(scripts, docs / "gallery"))
    write(docs / "generated", help_texts.texts(), "*.txt")


def write(folder: Path, pages: dict[str, str], pattern: str = "*.md") -> None:
    """Make these the files of a folder; what is as it was is not touched."""
    folder.mkdir(exist_ok=True)
    for old in set(folder.glob(pattern)) - {folder / name for name in pages}:
        old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
