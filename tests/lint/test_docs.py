"""Pages that are generated are up to date, and what pages show is right.

`python tests/lint/test_docs.py` writes the generated ones anew.
"""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from lint.settings import reference

DOCS = Path(__file__).parents[2] / "docs"
SETTINGS = DOCS / "settings.md"
PAGES = sorted(
    page for part in (".", "guides", "how") for page in DOCS.glob(f"{part}/*.md")
)
BLOCKS = [
    (page.name, language, text)
    for page in PAGES
    for language, text in re.findall(
        r"^```(\w+)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
]
SHELLS = ("sh", "console")
READERS = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}


def test_the_reference_of_settings_is_up_to_date():
    assert SETTINGS.read_text("utf-8") == reference()


@pytest.mark.parametrize(
    ("page", "language", "text"),
    [block for block in BLOCKS if block[1] in READERS],
    ids=lambda value: value if value.endswith(".md") else "",
)
def test_what_pages_show_is_well_formed(page, language, text):
    assert READERS[language](text)


def test_options_that_pages_name_exist(command):
    known = set(re.findall(r"--[\w-]+", command("--help").out))
    for page, language, text in BLOCKS:
        for line in re.findall(r"model-lint .*", text if language in SHELLS else ""):
            assert set(re.findall(r"--[\w-]+", line)) <= known, page


if __name__ == "__main__":
    SETTINGS.write_text(reference(), "utf-8")
