"""The README's index of rules is what `model-lint rules --markdown` prints.

`python tests/lint/test_readme.py` brings it up to date.
"""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

from lint.reference import print_table
from lint.rules import all_rules

README = Path(__file__).parents[2] / "README.md"
INDEX = re.compile(r"^\| code \| name \|.*?\n(?=\n)", re.MULTILINE | re.DOTALL)


def up_to_date(text: str) -> str:
    """The text with today's index in place of the one in it."""
    table = io.StringIO()
    with redirect_stdout(table):
        print_table(all_rules())
    text, count = INDEX.subn(lambda _: table.getvalue(), text)
    assert count == 1
    return text


def test_the_index_of_rules_is_up_to_date():
    text = README.read_text(encoding="utf-8")
    assert text == up_to_date(text), f"Run: python {Path(__file__).name}"


if __name__ == "__main__":
    README.write_text(up_to_date(README.read_text("utf-8")), "utf-8")
