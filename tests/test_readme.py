"""Python blocks of the README and the site run, and print what stands below them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs/start.md", *(ROOT / "docs/guides").glob("*")]
# A block, and what it prints if the next block is plain text.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", re.M | re.S)
MARK = "=== block {} ==="
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def shown(text):
    """The words and the numbers of a text, without its line breaks."""
    words = " ".join(text.split())
    return NUMBER.sub("#", words), [float(each) for each in NUMBER.findall(words)]


@pytest.mark.long
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="its figures are TensorFlow's"
)
def test_the_blocks_run_and_print_what_is_shown(tmp_path):
    blocks = []
    code = ""
    for page in sorted(PAGES):
        code += f"names = {{'__name__': {page.stem!r}}}\n"  # Each page is on its own.
        for source, printed in BLOCK.findall(page.read_text(encoding="utf-8")):
            code += f"print({MARK.format(len(blocks))!r}, flush=True)\n"
            code += f"exec({source!r}, names)\n"
            blocks.append((source, printed))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "88"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    printed = re.split(MARK.format(r"\d+"), done.stdout)[1:]
    assert len(printed) == len(blocks) > 10
    for (_, expected), received in zip(blocks, printed, strict=True):
        if not expected or "..." in expected:  # It is abridged there.
            continue
        words, numbers = shown(expected)
        received_words, received_numbers = shown(received)
        assert received_words == words
        assert received_numbers == pytest.approx(numbers, abs=0.02)
