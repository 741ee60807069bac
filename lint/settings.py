"""The settings of `[tool.model-lint]`: their values and their purpose.

The reference page is made from this table (`model-lint --show-settings` shows the
effective values).
"""

from __future__ import annotations

import re
from collections.abc import Callable  # noqa: TC003 - a field of a NamedTuple
from pathlib import Path
from typing import Any, NamedTuple

from .errors import UsageError
from .findings import Severity
from .rules import rules_matching

FAIL_ON = (*(severity.value for severity in Severity), "never")


class Setting(NamedTuple):
    """A setting.

    Attributes:
        key: its name in `pyproject.toml`.
        read: (value, its place) -> the checked value.
        kind: its type, for a reader.
        default: its default value, as TOML.
        example: a line of TOML.
        about: its effect.
        options: the command's options that override it.
    """

    key: str
    read: Callable[[Any, str], Any]
    kind: str
    default: str
    example: str
    about: str
    options: str = ""


def selectors(value: Any, place: str) -> tuple[str, ...]:
    """Check selectors of rules, each of which must match a rule.

    Raises:
        UsageError: if they do not.
    """
    words = _texts(value, place)
    for word in words:
        try:
            rules_matching(word)
        except UsageError as error:
            raise UsageError(f"{place}: {error}") from None
    return words


def keras_version(value: Any, place: str) -> str | None:
    """Check a version of Keras, such as `3.15`, or None.

    Raises:
        UsageError: if it is not one.
    """
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"v?[1-9]\d*(\.\w+)*", value):
        raise UsageError(
            f"{place} must be a version of Keras, such as '3.15' or '2'. "
            f"Received: {value!r}."
        )
    return value


def fail_on(value: Any, place: str) -> str:
    """Check the lowest severity that fails a run, or `never`.

    Raises:
        UsageError: if it is not one.
    """
    if value not in FAIL_ON:
        raise UsageError(
            f"{place} must be one of {', '.join(FAIL_ON)}. Received: {value!r}."
        )
    return str(value)


def _texts(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(
        isinstance(item, str) for item in value
    ):
        raise UsageError(
            f"{place} must be a list of strings, such as ['BN201']. "
            f"Received: {value!r}."
        )
    return tuple(value)


def _switch(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{place} must be true or false. Received: {value!r}.")
    return value


def _file(value: Any, place: str) -> Path:
    if not isinstance(value, str) or not value:
        raise UsageError(
            f"{place} must be a file path relative to its folder. Received: {value!r}."
        )
    return Path(value)


def _ignores(value: Any, place: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise UsageError(
            f"{place} must be a table of patterns and lists of rules. "
            f"Received: {value!r}."
        )
    return {pattern: selectors(rules, place) for pattern, rules in value.items()}


_RULES = "list of rules"
_PATTERNS = "list of patterns"

SETTINGS = (
    Setting(
        "select",
        selectors,
        _RULES,
        "the rules that are on by default",
        'select = ["BN1", "BN201"]',
        "The rules to apply: codes, names, or code prefixes. `BN` means the rules that "
        "are on by default; `ALL` also includes those that are off by default.",
        "--select",
    ),
    Setting(
        "extend-select",
        selectors,
        _RULES,
        "[]",
        'extend-select = ["BN405"]',
        "Rules to apply in addition to those of `select`.",
        "--extend-select",
    ),
    Setting(
        "ignore",
        selectors,
        _RULES,
        "[]",
        'ignore = ["BN204"]',
        "Rules to leave out. If both `select` and `ignore` match a rule, the more "
        "specific of the two decides, and `ignore` if they are equally specific.",
        "--ignore",
    ),
    Setting(
        "extend-ignore",
        selectors,
        _RULES,
        "[]",
        'extend-ignore = ["BN206"]',
        "Rules to leave out in addition to those of `ignore`.",
        "--extend-ignore",
    ),
    Setting(
        "exclude",
        _texts,
        _PATTERNS,
        "[]",
        'exclude = ["legacy/", "*_pb2.py"]',
        "Files and folders to skip when a folder is searched, as `.gitignore` patterns "
        "relative to the `pyproject.toml`. Folders of tools and build products "
        "(`.git`, `.venv`, `build`, `site-packages` and the like) are skipped anyway; "
        '`"!build/"` includes one again.',
        "--exclude",
    ),
    Setting(
        "extend-exclude",
        _texts,
        _PATTERNS,
        "[]",
        'extend-exclude = ["generated/"]',
        "Files and folders to skip in addition to those of `exclude`.",
        "--extend-exclude",
    ),
    Setting(
        "force-exclude",
        _switch,
        "true or false",
        "false",
        "force-exclude = true",
        "Whether excluded files are skipped even if they are named one by one, as "
        "pre-commit does.",
        "--force-exclude, --no-force-exclude",
    ),
    Setting(
        "respect-gitignore",
        _switch,
        "true or false",
        "true",
        "respect-gitignore = false",
        "Whether to skip what git ignores when a folder is searched.",
        "--respect-gitignore, --no-respect-gitignore",
    ),
    Setting(
        "per-file-ignores",
        _ignores,
        "table of patterns and lists of rules",
        "{}",
        'per-file-ignores = { "legacy/*.py" = ["BN201"] }',
        "Rules to leave out in some files, by `.gitignore` patterns.",
    ),
    Setting(
        "per-layer-ignores",
        _ignores,
        "table of globs and lists of rules",
        "{}",
        'per-layer-ignores = { "backbone/*" = ["BN2"] }',
        "Rules to leave out for some layers of models, by the layer's path "
        "(`inner/bn1`); `*` also matches `/`.",
    ),
    Setting(
        "keras-version",
        keras_version,
        "text",
        "none",
        'keras-version = "3.15"',
        "The version of Keras that the source is written for; `2` for tf_keras. If it "
        "is not set, it is inferred from the source and the project's requirements.",
        "--keras-version",
    ),
    Setting(
        "fail-on",
        fail_on,
        f"one of {', '.join(FAIL_ON)}",
        '"warning"',
        'fail-on = "error"',
        "The lowest severity that makes the exit status 1.",
        "--fail-on",
    ),
    Setting(
        "baseline",
        _file,
        "path",
        "none",
        'baseline = "known.json"',
        "A file of known findings, which are not reported again.",
        "--baseline",
    ),
)
"""All settings, in the order of the reference page."""


def reference() -> str:
    """Return the reference page, in Markdown."""
    parts = [
        "# Settings\n",
        "Settings belong in `[tool.model-lint]` of a `pyproject.toml`: that of the "
        "common folder of all targets, or of the nearest folder above it that has the "
        "table. "
        "Options of the command override them. `model-lint --show-settings` prints the "
        "effective settings.\n",
    ]
    for setting in SETTINGS:
        options = f"\\\nOptions: `{setting.options}`" if setting.options else ""
        default = setting.default
        if re.match(r'[\["{\d]|true|false', default):
            default = f"`{default}`"
        parts += [
            f"## {setting.key}\n",
            f"{setting.about}\n",
            f"Type: {setting.kind}\\\nDefault: {default}{options}\n",
            f"```toml\n[tool.model-lint]\n{setting.example}\n```\n",
        ]
    return "\n".join(parts)
