"""The pages of the gallery: each script with what it printed and drew, and an index.

A script is a file of the gallery's folder with a `__main__`; its docstring has a title
on its first line and, below, what it shows. `NAME.txt` and `NAME.png` in the folder of
the pages hold its output.
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
    found = sorted(path for path in scripts.glob("*.py") if is_script(path))
    texts = {f"{path.stem}.md": page(path, outputs) for path in found}
    return {**texts, "index.md": index(found)}


def is_script(path: Path) -> bool:
    """Whether a file is run, and not only imported by those that are."""
    return '__name__ == "__main__"' in path.read_text("utf-8")


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
