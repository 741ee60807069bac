"""What is wrong with the built site: links that lead nowhere, what it would fetch."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

ELSEWHERE = re.compile(r"(https?:)?//|mailto:|data:")


class Page(HTMLParser):
    """What a page links to, what it loads, and the places on it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses and the identifier of one element."""
        values = {name: value or "" for name, value in attrs}
        self.places |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(values["href"])
        elif "src" in values:
            self.loaded.append(values["src"])


@cache
def page_at(path: Path) -> Page:
    """The page in a file."""
    return Page(path.read_text("utf-8"))


def problems_of(site: Path) -> Iterator[str]:
    """Links that lead nowhere, and what would be fetched from elsewhere."""
    for path in sorted(site.rglob("*.html")):
        page, name = page_at(path), path.relative_to(site)
        for address in page.loaded:
            if ELSEWHERE.match(address) and not address.startswith("data:"):
                yield f"{name}: is fetched from elsewhere: {address}"
            elif not ELSEWHERE.match(address) and not target(path, address).is_file():
                yield f"{name}: is not there: {address}"
        for address in page.links:
            if not ELSEWHERE.match(address) and not leads_somewhere(path, address):
                yield f"{name}: the link leads nowhere: {address}"


def leads_somewhere(page: Path, address: str) -> bool:
    """Whether a link of a page has a page, and a place on it."""
    path, place = target(page, address), urldefrag(address).fragment
    if not path.is_file():
        return False
    return path.suffix != ".html" or not place or unquote(place) in page_at(path).places


def target(page: Path, address: str) -> Path:
    """The file that an address on a page means."""
    path = unquote(urldefrag(address).url.partition("?")[0])
    file = (page.parent / path).resolve() if path else page
    return file / "index.html" if file.is_dir() else file


def lost_addresses(site: Path, base: str, addresses: Iterable[str]) -> Iterator[str]:
    """Those of these addresses below `base`, that of the site, that have no page."""
    for address in addresses:
        if not target(site / "index.html", address.removeprefix(base)).is_file():
            yield f"has no page: {address}"
