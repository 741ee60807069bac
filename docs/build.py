"""Builds the site and checks it: `python docs/build.py`.

It needs the extra `docs`, no framework and no network. Sphinx's warnings are errors.
Then each link within the site must lead to a page and a place on it, each rule's `url`
and each address of the site in the README to a page, and nothing may be fetched from
elsewhere when a page is viewed. `python -m http.server -d docs/_build/html` shows it.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build

from lint.rules import all_rules
from lint.urls import project_url, rule_url

DOCS = Path(__file__).parent
SITE = DOCS / "_build" / "html"
OPTIONS = ["-q", "-W", "--keep-going", "-b", "dirhtml"]

sys.path.insert(0, str(DOCS / "_extensions"))
from checking import lost_addresses, problems_of


def main() -> int:
    """Build and check; the exit status."""
    shutil.rmtree(SITE, ignore_errors=True)  # Or pages that are gone would stay.
    if status := sphinx_build([*OPTIONS, str(DOCS), str(SITE)]):
        return status
    base = project_url("Documentation")
    addresses = [*map(rule_url, all_rules()), *named_in_readme(base)]
    problems = [*problems_of(SITE), *lost_addresses(SITE, base, addresses)]
    for problem in problems:
        print(problem, file=sys.stderr)
    count = sum(1 for _ in SITE.rglob("*.html"))
    print(f"{SITE.relative_to(DOCS.parent)}: {count} pages, {len(problems)} errors")
    return 1 if problems else 0


def named_in_readme(base: str) -> list[str]:
    """The addresses of the site in the README."""
    text = (DOCS.parent / "README.md").read_text("utf-8")
    return re.findall(rf"{re.escape(base)}[^)\s]*", text)


if __name__ == "__main__":
    sys.exit(main())
