"""`[tool.model-lint]` in `pyproject.toml`, and what overrides it.

One configuration holds for a whole run: that of the nearest `pyproject.toml` that
has the table, looked for from the folder that all targets share upward, and where
there is none, from the current folder upward.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError, did_you_mean
from .findings import Severity
from .rules import rules_matching, selector_means

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .findings import Finding

FAIL_ON = (*(severity.value for severity in Severity), "never")


@dataclass(frozen=True)
class Config:
    """What to check and what to leave out.

    Attributes:
        root: the folder that globs of files are relative to.
        select: selectors of rules; None for those that are on by default.
        ignore: selectors of rules that are off.
        exclude: globs of files and folders that are passed over in a folder.
        keras_version: the version that source is written for, if it was named.
        fail_on: the least severity that fails a run, or `never`.
        baseline: the file of known findings, relative to `root`, if there is one.
        per_file_ignores: glob of a file -> selectors.
        per_layer_ignores: glob of a layer's path in a model -> selectors.
    """

    root: Path = field(default_factory=Path.cwd)
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    keras_version: str | None = None
    fail_on: str = Severity.WARNING.value
    baseline: Path | None = None
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    per_layer_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def override(
        self,
        select: Sequence[str] | None = None,
        ignore: Sequence[str] | None = None,
        keras_version: str | None = None,
        fail_on: str | None = None,
        baseline: Path | None = None,
    ) -> Config:
        """This configuration with what the caller asks for above it.

        A `select` stands for itself, without the file's `select` and `ignore`; an
        `ignore` is added to what is ignored already.
        """
        base = self if select is None else replace(self, select=None, ignore=())
        return replace(
            base,
            select=base.select if select is None else _selectors(select, "select"),
            ignore=(*base.ignore, *_selectors(ignore or (), "ignore")),
            keras_version=_version(
                keras_version or self.keras_version, "keras-version"
            ),
            fail_on=_fail_on(fail_on or self.fail_on, "fail-on"),
            baseline=self.baseline if baseline is None else baseline.absolute(),
        )

    def excludes(self, path: Path) -> bool:
        """Whether a file or folder is passed over."""
        return any(self._path_matches(path, glob) for glob in self.exclude)

    def silences(self, finding: Finding) -> bool:
        """Whether a finding is ignored because of its file or its layer."""
        place = finding.location
        selectors: list[str] = []
        for glob, some in self.per_file_ignores.items():
            if place.path is not None and self._path_matches(Path(place.path), glob):
                selectors += some
        for glob, some in self.per_layer_ignores.items():
            if place.layer is not None and fnmatchcase(place.layer, glob):
                selectors += some
        return any(
            selector_means(selector, finding.code, finding.name)
            for selector in selectors
        )

    def _path_matches(self, path: Path, glob: str) -> bool:
        """Whether a glob means the path, or its name alone; `*` crosses folders."""
        relative = os.path.relpath(path, self.root).replace(os.sep, "/")
        glob = glob.removeprefix("./").rstrip("/")
        return fnmatchcase(relative, glob) or fnmatchcase(path.name, glob)


def config_for(targets: Sequence[object]) -> Config:
    """The configuration for these targets, of which only files and folders matter.

    Raises:
        UsageError: if the file holds an unknown key or code, or a wrong type.
    """
    paths = [Path(each) for each in targets if isinstance(each, str | os.PathLike)]
    existing = [path.absolute() for path in paths if path.exists()]
    shared = [Path(os.path.commonpath(existing))] if existing else []
    for start in (*shared, Path.cwd()):
        for folder in (start, *start.parents):
            file = folder / "pyproject.toml"
            if file.is_file() and (table := _read_table(file)) is not None:
                return _parse(table, file)
    return Config()


def _read_table(file: Path) -> dict[str, Any] | None:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
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
    settings: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _READERS:
            raise UsageError(
                f"Unknown key in [tool.model-lint] of {file}. Received: {key!r}."
                f"{did_you_mean(key, _READERS)} Known are {', '.join(_READERS)}."
            )
        settings[key.replace("-", "_")] = _READERS[key](value, f"{key} in {file}")
    return Config(root=file.parent, **settings)


def _selectors(value: Any, where: str) -> tuple[str, ...]:
    words = _texts(value, where)
    for word in words:
        try:
            rules_matching(word)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    return words


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(
        isinstance(each, str) for each in value
    ):
        raise UsageError(
            f"{where} must be a list of strings, such as ['BN201']. "
            f"Received: {value!r}."
        )
    return tuple(value)


def _version(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"v?[1-9]\d*(\.\w+)*", value):
        raise UsageError(
            f"{where} must be a version of Keras, such as '3.15' or '2'. "
            f"Received: {value!r}."
        )
    return value


def _fail_on(value: Any, where: str) -> str:
    if value not in FAIL_ON:
        raise UsageError(
            f"{where} must be one of {', '.join(FAIL_ON)}. Received: {value!r}."
        )
    return str(value)


def _baseline(value: Any, where: str) -> Path:
    if not isinstance(value, str) or not value:
        raise UsageError(
            f"{where} must be the path of a file, relative to it. Received: {value!r}."
        )
    return Path(value)


def _ignores(value: Any, where: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise UsageError(
            f"{where} must be a table of globs and lists of rules. Received: {value!r}."
        )
    return {glob: _selectors(rules, where) for glob, rules in value.items()}


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "select": _selectors,
    "ignore": _selectors,
    "exclude": _texts,
    "keras-version": _version,
    "fail-on": _fail_on,
    "baseline": _baseline,
    "per-file-ignores": _ignores,
    "per-layer-ignores": _ignores,
}
