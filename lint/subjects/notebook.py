"""The code cells of a Jupyter notebook, with what is not Python taken out."""

from __future__ import annotations

import json
import re

# A line that IPython takes, not Python: a magic, a shell command, a request for help.
_MAGIC = re.compile(r"\s*(%|!|\?)|\s*[\w.]+\s*\?{1,2}\s*$")
_SHELL_VALUE = re.compile(r"(\s*)([\w.,\s\[\]]+=\s*)[%!].*$")
# Cell magics whose body still is Python; that of the others is not.
_PYTHON_CELL = re.compile(r"%%(time|timeit|capture|prun|memit|python3?|py)\b")


def read_cells(data: bytes) -> list[str]:
    """The code cells in order, each a text of whole lines.

    Lines and columns are those of the cell: what is not Python is blanked in place.

    Raises:
        ValueError: if the data is not a notebook.
    """
    try:
        notebook = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(notebook, dict):
        raise ValueError("no JSON object")
    cells = [_blank(source) for source in _sources(notebook)]
    return [cell if cell.endswith("\n") else cell + "\n" for cell in cells]


def _sources(notebook: dict[str, object]) -> list[str]:
    """The source of each code cell, in the formats 3 and 4."""
    sheets = notebook.get("worksheets")
    holders = sheets if isinstance(sheets, list) else [notebook]
    found = []
    for holder in holders:
        cells = holder.get("cells") if isinstance(holder, dict) else None
        if not isinstance(cells, list):
            raise ValueError("it has no list of cells")
        for cell in cells:
            if isinstance(cell, dict) and cell.get("cell_type") == "code":
                found.append(_text(cell.get("source", cell.get("input", ""))))
    return found


def _text(source: object) -> str:
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ")


def _blank(cell: str) -> str:
    """Take out magics, keeping lines and indentation, so that the rest still parses."""
    lines = cell.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and not _PYTHON_CELL.match(first):
        return "\n" * (len(lines) - 1)
    result: list[str] = []
    continued = False  # a magic that ends in a backslash goes on in the next line
    open_text = ""
    for line in lines:
        python = not (continued or (_MAGIC.match(line) and not _inside(open_text)))
        continued = not python and line.endswith("\\")
        result.append(_without_shell(line) if python else _indented_pass(line))
        open_text += result[-1] + "\n"
    return "\n".join(result)


def _indented_pass(line: str) -> str:
    """`pass` in place of the magic: a block that held nothing else stays a block."""
    indentation = line[: len(line) - len(line.lstrip())]
    return indentation + "pass"


def _without_shell(line: str) -> str:
    """`files = !ls` binds the name to something unknown."""
    return _SHELL_VALUE.sub(r"\1\2None", line)


def _inside(text: str) -> bool:
    """Whether what follows the text is inside brackets or a long string.

    Roughly: a `%` that begins a line is then an operator or text.
    """
    plain = re.sub(r"'''.*?'''|\"\"\".*?\"\"\"", "", text, flags=re.DOTALL)
    if "'''" in plain or '"""' in plain:
        return True
    plain = re.sub(r"#.*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", "", plain)
    opened = sum(map(plain.count, "([{"))
    return opened > sum(map(plain.count, ")]}")) or plain.rstrip(" \n").endswith("\\")
