"""The pages of the gallery: each script with what it printed and drew, and an index.

A script is a file of the gallery's folder with a function `draw`; its docstring has a
title on its first line and, below, what it shows. `NAME.txt` and `NAME.png` in the
folder of the pages hold its output. `SCRIPTS` in `all.py` is the order of the pages.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

INTRODUCTION = """\
# Gallery

What batch normalization does, measured: each page answers one question with a script
that runs in two minutes or less on two cores, on real data, with fixed seeds and
several runs.
"""


def pages(scripts: Path, outputs: Path) -> dict[str, str]:
    """File name -> text, of all scripts and of their index.

    Raises:
        FileNotFoundError: if the output of a script is missing.
        ValueError: if a script has no docstring.
    """
    found = [path for path in sorted(scripts.glob("*.py")) if is_script(path)]
    order = names_in_order(scripts / "all.py")
    found.sort(key=lambda path: [*order, path.stem].index(path.stem))
    texts = {f"{path.stem}.md": page(path, outputs) for path in found}
    return {**texts, "index.md": index(found)}


def is_script(path: Path) -> bool:
    """Whether a file draws a picture, and is not only of use to those that do."""
    body = ast.parse(path.read_text("utf-8")).body
    return any(
        isinstance(each, ast.FunctionDef) and each.name == "draw" for each in body
    )


def names_in_order(path: Path) -> list[str]:
    """The names of scripts as that file has them in `SCRIPTS`; none without it."""
    text = path.read_text("utf-8") if path.exists() else ""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SCRIPTS":
            return list(ast.literal_eval(node.value))
    return []


def page(script: Path, outputs: Path) -> str:
    """Title, text, picture, output and source of one script."""
    printed, drawn = (outputs / f"{script.stem}.{end}" for end in ("txt", "png"))
    for output in (printed, drawn):
        if not output.exists():
            raise FileNotFoundError(
                f"{script.name} is shown in the gallery with its output, and {output} "
                f"is missing. Run the script and put there what it printed and drew."
            )
    title, text = described(script)
    source = f"../../examples/gallery/{script.name}"
    return f"""\
# {title}

{text}

![What {script.name} draws]({drawn.name}){{.drawn}}

## What it prints

```{{literalinclude}} {printed.name}
:language: text
```

## The script

`python examples/gallery/{script.name}`

```{{literalinclude}} {source}
:language: python
```
"""


def index(scripts: list[Path]) -> str:
    """A card with title and picture for each script."""
    if not scripts:
        return f"{INTRODUCTION}\nThere is nothing in it yet.\n"
    cards = [
        f""":::{{grid-item-card}} {described(script)[0]}
:link: {script.stem}
:link-type: doc
:img-bottom: {script.stem}.png
:::
"""
        for script in scripts
    ]
    names = "\n".join(script.stem for script in scripts)
    return (
        f"{INTRODUCTION}\n::::{{grid}} 1 2 2 2\n:gutter: 3\n\n"
        + "\n".join(cards)
        + f"::::\n\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )


def described(script: Path) -> tuple[str, str]:
    """The title and the text of a script, from its docstring."""
    docstring = ast.get_docstring(ast.parse(script.read_text("utf-8"))) or ""
    title, _, text = docstring.partition("\n")
    if not title:
        raise ValueError(f"A script of the gallery needs a docstring: {script}.")
    return title.rstrip("."), text.strip()
