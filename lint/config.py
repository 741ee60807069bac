"""`[tool.model-lint]` in `pyproject.toml`, and its overrides.

One configuration applies to a whole run: that of the nearest `pyproject.toml` with the
table, searched upward from the common folder of all targets, or, if there is none, from
the current folder.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError, did_you_mean
from .findings import Severity
from .patterns import Patterns
from .rules import selector_means
from .settings import SETTINGS, fail_on, keras_version, selectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .findings import Finding


@dataclass(frozen=True)
class Config:
    """The settings of a run; see `SETTINGS` for the meaning of each.

    Attributes:
        root: the folder to which file patterns are relative.
        targets: the files and folders to lint, if there are others beside them.
    """

    root: Path = field(default_factory=Path.cwd)
    targets: tuple[Path, ...] = ()
    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    extend_ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    extend_exclude: tuple[str, ...] = ()
    force_exclude: bool = False
    respect_gitignore: bool = True
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    per_layer_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    keras_version: str | None = None
    fail_on: str = Severity.WARNING.value
    baseline: Path | None = None

    def override(
        self,
        select: Sequence[str] | None = None,
        ignore: Sequence[str] | None = None,
        *,
        extend_select: Sequence[str] | None = None,
        extend_ignore: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        extend_exclude: Sequence[str] | None = None,
        force_exclude: bool | None = None,
        respect_gitignore: bool | None = None,
        keras_version: str | None = None,
        fail_on: str | None = None,
        baseline: Path | None = None,
    ) -> Config:
        """Return this configuration with the caller's choices on top.

        A `select` replaces what the file selects and ignores, and an `exclude` replaces
        what the file excludes. Everything else is added.

        Raises:
            UsageError: if a selector or a value is invalid.
        """
        base = self
        if select is not None:
            chosen = selectors(select, "select")
            base = replace(
                base, select=chosen, extend_select=(), ignore=(), extend_ignore=()
            )
        if exclude is not None:
            base = replace(base, exclude=tuple(exclude), extend_exclude=())
        if force_exclude is None:
            force_exclude = base.force_exclude
        if respect_gitignore is None:
            respect_gitignore = base.respect_gitignore
        return replace(
            base,
            extend_select=(
                *base.extend_select,
                *selectors(extend_select or (), "extend-select"),
            ),
            ignore=(*base.ignore, *selectors(ignore or (), "ignore")),
            extend_ignore=(
                *base.extend_ignore,
                *selectors(extend_ignore or (), "extend-ignore"),
            ),
            extend_exclude=(*base.extend_exclude, *(extend_exclude or ())),
            force_exclude=force_exclude,
            respect_gitignore=respect_gitignore,
            keras_version=_version(keras_version or base.keras_version),
            fail_on=_severity(fail_on or base.fail_on),
            baseline=base.baseline if baseline is None else baseline.absolute(),
        )

    @property
    def ignored(self) -> tuple[str, ...]:
        """The selectors of all rules to leave out."""
        return (*self.ignore, *self.extend_ignore)

    def silences(self, finding: Finding) -> bool:
        """Whether a finding is ignored because of its file or its layer."""
        place = finding.location
        silenced: list[str] = []
        if place.path is not None:
            for patterns, some in self._file_patterns:
                if patterns.match_within(Path(place.path)):
                    silenced += some
        for glob, some in self.per_layer_ignores.items():
            if place.layer is not None and fnmatchcase(place.layer, glob):
                silenced += some
        return any(
            selector_means(selector, finding.code, finding.name)
            for selector in silenced
        )

    @cached_property
    def _file_patterns(self) -> list[tuple[Patterns, tuple[str, ...]]]:
        return [
            (Patterns([glob], self.root), some)
            for glob, some in self.per_file_ignores.items()
        ]

    def to_toml(self) -> str:
        """Format the effective settings, as `--show-settings` prints them."""
        lines = [f"# Patterns are relative to {self.root}", "[tool.model-lint]"]
        for setting in fields(self):
            if setting.name in ("root", "targets"):
                continue
            key, value = setting.name.replace("_", "-"), getattr(self, setting.name)
            lines.append(
                f"# {key}: none" if value is None else f"{key} = {_toml(value)}"
            )
        return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{_toml(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, Path):
        value = str(value)
    # Strings, lists of strings and booleans have the same form in JSON and TOML.
    return json.dumps(value, ensure_ascii=False)


def _version(value: str | None) -> str | None:
    return keras_version(value, "keras-version")


def _severity(value: str) -> str:
    return fail_on(value, "fail-on")


def config_for(targets: Sequence[object]) -> Config:
    """Return the configuration for these targets; only files and folders matter.

    Raises:
        UsageError: if the file holds an unknown key or code, or a value of wrong type.
    """
    paths = [
        Path(target) for target in targets if isinstance(target, str | os.PathLike)
    ]
    existing = tuple(path.absolute() for path in paths if path.exists())
    shared = [Path(os.path.commonpath(existing))] if existing else []
    for start in (*shared, Path.cwd()):
        for folder in (start, *start.parents):
            file = folder / "pyproject.toml"
            if file.is_file() and (table := _read_table(file)) is not None:
                return replace(_parse(table, file), targets=existing)
    return Config(targets=existing)


def _read_table(file: Path) -> dict[str, Any] | None:
    import tomllib  # What most folders do without.

    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except RecursionError:
        raise UsageError(f"{file} cannot be read: it is nested too deeply.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}.") from error
    tools = content.get("tool")
    table = tools.get("model-lint") if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(
            f"[tool.model-lint] in {file} must be a table. Received: {table!r}."
        )
    return table


def _parse(table: dict[str, Any], file: Path) -> Config:
    readers = {setting.key: setting.read for setting in SETTINGS}
    settings: dict[str, Any] = {}
    for key, value in table.items():
        if key not in readers:
            raise UsageError(
                f"Unknown key in [tool.model-lint] of {file}. Received: {key!r}."
                f"{did_you_mean(key, readers)} Known keys: {', '.join(readers)}."
            )
        settings[key.replace("-", "_")] = readers[key](value, f"{key} in {file}")
    return Config(root=file.parent, **settings)
