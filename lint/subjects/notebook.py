"""The code cells of a Jupyter notebook, with everything but Python removed."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass

# A line for IPython, not Python: a magic, a shell command, a request for help.
_MAGIC = re.compile(
    r"\s*(?:[%!?]|[\w.]+\s*\?{1,2}\s*$"
    r"|(?:ls|cd|pwd|cat|cp|mv|rm|mkdir|rmdir|pip|conda)(?:\s+[\w./~-]|\s*$))"
)
# Half of a surrogate pair, which JSON may hold and no encoding can.
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_SHELL_VALUE = re.compile(
    r"(?P<indent>\s*)(?P<target>[A-Za-z_(\[][^=!%#\n]*=\s*)(?:%[A-Za-z_]|!).*$"
)
_SETTING = re.compile(
    r"(?P<indent>\s*)%(?:set_)?env\s+(?P<name>\w+)[=\s]\s*(?P<value>[^\s\"'\\]+)\s*$"
)
_TIMED = re.compile(r"(?P<indent>\s*)%time(?P<rest>\s+[^\s-].*)$")
# Cell magics whose body is still Python; that of others is not.
_PYTHON_CELL = re.compile(r"%%(time|timeit|capture|prun|memit|python3?|py)\b")


@dataclass(frozen=True)
class Cell:
    """A code cell.

    Attributes:
        text: whole lines of Python; anything else is blanked in place.
        indent: how many columns the text is shifted to the left, since IPython allows a
            whole cell to be indented.
    """

    text: str
    indent: int


def read_cells(data: bytes) -> list[Cell]:
    """Return the code cells in order.

    Raises:
        ValueError: if the data is not a notebook.
    """
    try:
        notebook = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(notebook, dict):
        raise ValueError("not a JSON object")
    return [_read_cell(_text(source)) for source in code_sources(notebook)]


def _read_cell(source: str) -> Cell:
    text = _blank(source)
    text = text if text.endswith("\n") else text + "\n"
    first = next((line for line in text.split("\n") if line.strip()), "")
    indentation = first[: len(first) - len(first.lstrip())]
    if indentation:
        text = re.sub(f"^{indentation}", "", text, flags=re.MULTILINE)
    return Cell(text, len(indentation))


def code_sources(notebook: dict[str, object]) -> list[object]:
    """Return the source of each code cell as it is stored, in the formats 3 and 4.

    Raises:
        ValueError: if the object is not a notebook.
    """
    sheets = notebook.get("worksheets")
    holders = sheets if isinstance(sheets, list) else [notebook]
    found: list[object] = []
    for holder in holders:
        cells = holder.get("cells") if isinstance(holder, dict) else None
        if not isinstance(cells, list):
            raise ValueError("it has no list of cells")
        for cell in cells:
            if isinstance(cell, dict) and cell.get("cell_type") == "code":
                found.append(cell.get("source", cell.get("input", "")))
    return found


def _text(source: object) -> str:
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ")
    return _HALF_PAIR.sub("\N{REPLACEMENT CHARACTER}", text)


def _blank(cell: str) -> str:
    """Remove magics, keeping lines and indentation, so that the rest still parses."""
    lines = cell.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%") and not _PYTHON_CELL.match(first):
        return "\n" * (len(lines) - 1)
    result: list[str] = []
    continued = False  # A line that ends in a backslash continues in the next.
    for line in lines:
        magic = bool(_MAGIC.match(line)) and not _is_open("\n".join(result))
        value = None if magic else _shell_value(line)
        shell = value is not None
        if continued:
            result.append("")
        elif magic:
            result.append(_timed(line) or _set(line) or _indented_pass(line))
        elif value is not None and not _is_open("\n".join(result)):
            result.append(value)
        else:
            result.append(line)
            shell = False
        continued = (continued or magic or shell) and line.rstrip().endswith("\\")
    return "\n".join(result)


def _shell_value(line: str) -> str | None:
    """Replace what `name = !ls` or `name = %magic` assigns; None of other lines.

    `print("n=%d" % n)` is not such a line: what stands before its `=` is no target.
    """
    match = _SHELL_VALUE.match(line)
    if match is None or not _parses(f"{match['target']}None"):
        return None
    return f"{match['indent']}{match['target']}None"


def _timed(line: str) -> str:
    """Replace the magic in `%time x = f()`, which binds the name, by `None;`."""
    match = _TIMED.match(line)
    if match is None:
        return ""
    timed = f"{match['indent']}None;{match['rest']}"
    return timed if _parses(timed.strip()) else ""


def _parses(statement: str) -> bool:
    try:
        compile(statement, "<cell>", "exec", ast.PyCF_ONLY_AST)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _set(line: str) -> str:
    """Write `%env KERAS_BACKEND=jax` as Python does, as it chooses what is run."""
    match = _SETTING.match(line)
    if match is None:
        return ""
    return f'{match["indent"]}os.environ["{match["name"]}"] = "{match["value"]}"'


def _indented_pass(line: str) -> str:
    """Put `pass` in place of the magic, so that a block of magics stays a block."""
    indentation = line[: len(line) - len(line.lstrip())]
    return indentation + "pass"


def _is_open(text: str) -> bool:
    """Whether the text ends inside brackets or a long string.

    This is approximate: a `%` that begins a line is then an operator or text.
    """
    plain = re.sub(r"'''.*?'''|\"\"\".*?\"\"\"", "", text, flags=re.DOTALL)
    if "'''" in plain or '"""' in plain:
        return True
    plain = re.sub(r"#.*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", "", plain)
    opened = sum(map(plain.count, "([{"))
    return opened > sum(map(plain.count, ")]}")) or plain.rstrip(" \n").endswith("\\")
