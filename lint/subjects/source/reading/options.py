"""Defaults of a project's options: of its command lines, and in its settings files.

Only those are read whose names speak of normalization, as `--norm` or `use_bn`: what a
user chooses is hardly ever known, but such a default is what most of them run.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from .limits import REQUIREMENT_FILES, SETTINGS_BYTES
from .project_texts import FOREIGN
from .regular_files import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SPEAKS = re.compile(r"norm|(?<![a-z])bn(?![a-z])", re.IGNORECASE)
_ARGUMENT = re.compile(r"\.add_argument\((?P<given>(?:[^()]|\([^()]*\))*)\)")
_DEFINED = re.compile(
    r"""\bDEFINE_(?:string|bool|boolean|enum)\(\s*["'](?P<name>\w+)["']\s*,
    \s*(?P<value>[^,()]+)""",
    re.VERBOSE,
)
_SETTING = re.compile(
    r"^[ \t]*(?P<name>\w+):[ \t]+(?P<value>[^\s#]+)[ \t]*(?:#.*)?$", re.MULTILINE
)
_WORDS = {"true": True, "yes": True, "false": False, "no": False, "null": None}


def options_of(root: Path, texts: Iterable[str]) -> dict[str, object]:
    """Return the defaults by name, but for those on which two places disagree."""
    texts = list(texts)
    if not texts:
        return {}  # the folder is no single project
    found: dict[str, set[object]] = {}
    for name, value in (*_of_commands(texts), *_of_settings(root)):
        if _SPEAKS.search(name):
            found.setdefault(name, set()).add(value)
    return {name: one.pop() for name, one in found.items() if len(one) == 1}


def _of_commands(texts: Iterable[str]) -> Iterator[tuple[str, object]]:
    for text in texts:
        if "add_argument(" in text:
            for match in _ARGUMENT.finditer(text):
                if _SPEAKS.search(match["given"]):
                    yield from _argument(match["given"])
        if "DEFINE_" in text:
            for match in _DEFINED.finditer(text):
                yield match["name"], _constant(match["value"])


def _argument(given: str) -> Iterator[tuple[str, object]]:
    """The name of an option of argparse, and its default; `...` if not a constant."""
    try:
        call = ast.parse(f"_({given})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    assert isinstance(call, ast.Call)
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    names = [
        one.value
        for one in (*call.args, options.get("dest"))
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    ]
    if not names or not (names[-1].startswith("--") or "dest" in options):
        return
    default = options.get("default")
    action = getattr(options.get("action"), "value", None)
    value: object = ...
    if isinstance(default, ast.Constant):
        value = default.value
    elif default is None and action in ("store_true", "store_false"):
        value = action == "store_false"
    yield names[-1].lstrip("-").replace("-", "_"), value


def _constant(written: str) -> object:
    try:
        value: object = ast.literal_eval(written.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ...
    return value if isinstance(value, str | bool | int | float | None) else ...


def _of_settings(root: Path) -> Iterator[tuple[str, object]]:
    for path in _settings_files(root):
        try:
            text = read_regular(path, SETTINGS_BYTES).decode(errors="replace")
        except OSError:
            continue
        for match in _SETTING.finditer(text):
            value = match["value"]
            word = value.strip("\"'")
            plain = _WORDS.get(value.lower(), word)
            yield match["name"], plain


def _settings_files(root: Path) -> Iterator[Path]:
    found = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not FOREIGN.match(name)]
        for file in sorted(files):
            if file.endswith((".yaml", ".yml")) and found < REQUIREMENT_FILES:
                found += 1
                yield Path(folder) / file
