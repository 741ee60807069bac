"""From targets to a report: subjects, rules, suppression, in one direction."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .findings import Severity
from .rules import enabled_rules
from .subjects import Opener, UnreadError
from .subjects.files import each_once, is_folder_of_files, lintable_files
from .subjects.imported import import_model, is_reference, refuse_file_reference
from .subjects.live_model import is_live_model, read_live_model
from .subjects.model import Model
from .suppression import line_range, without_suppressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .config import Config
    from .findings import Finding
    from .rules import Rule
    from .subjects import Subject, Unread
    from .subjects.source import Module


@dataclass(frozen=True)
class Report:
    """What a run found.

    Attributes:
        findings: sorted by file, place and code.
        checked: the files and models that were read, by name.
        unread: the targets that could not be read.
        opaque: the models that could be checked only in part, by name.
        excerpts: the first line of source of each finding in source.
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    unread: tuple[Unread, ...] = ()
    opaque: tuple[str, ...] = ()
    excerpts: dict[Finding, str] = field(default_factory=dict)

    def fails(self, fail_on: str) -> bool:
        """Whether a finding is as grave as `fail_on`, a severity or `never`."""
        return fail_on != "never" and any(
            finding.severity.at_least(Severity(fail_on)) for finding in self.findings
        )


def run(targets: Sequence[Any], config: Config) -> Report:
    """Check targets: paths, texts `package.module:name`, or live models.

    Raises:
        UsageError: if a selector means no rule, or a target is of no such kind.
    """
    results = list(_Run(config).check_all(targets))
    found = chain.from_iterable(result.findings for result in results)
    return Report(
        findings=tuple(sorted(found, key=_place)),
        checked=tuple(r.name for r in results if r.unread is None),
        unread=tuple(r.unread for r in results if r.unread is not None),
        opaque=tuple(result.name for result in results if result.is_opaque),
        excerpts={k: v for result in results for k, v in result.excerpts.items()},
    )


@dataclass
class _Result:
    """What was found in one subject."""

    name: str
    findings: list[Finding]
    unread: Unread | None = None
    is_opaque: bool = False
    excerpts: dict[Finding, str] = field(default_factory=dict)


class _Run:
    """One run: its rules, its configuration, and what is kept between files."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._rules = enabled_rules(config.select, config.ignore)
        self._opener = Opener(config.keras_version)

    def check_all(self, targets: Sequence[Any]) -> Iterator[_Result]:
        """What is found in each file and each model."""
        paths: list[Path] = []
        for target in targets:
            if is_live_model(target):
                yield self._check(read_live_model(target))
            elif isinstance(target, str) and _is_module(target):
                yield self._check(import_model(target))
            else:
                paths.append(_as_path(target))
        yield from self._check_paths(paths)

    def _check_paths(self, paths: Iterable[Path]) -> Iterator[_Result]:
        """A named file is never excluded, nor silently passed over."""
        folders = [path for path in paths if is_folder_of_files(path)]
        named = [path for path in paths if path not in folders]
        inside = (lintable_files(each, self._config.excludes) for each in folders)
        for path in each_once(chain(named, *inside)):
            result = self._check_file(path)
            # In a folder, a data set in HDF5 is nobody's mistake.
            if path in named or result.unread is None or result.unread.supported:
                yield result

    def _check_file(self, path: Path) -> _Result:
        try:
            with self._opener.open(path) as subject:
                return self._check(subject)
        except UnreadError as error:
            problem = error.problem
            found = self._ask(lambda rule: rule.check_unread(problem))
            return _Result(problem.path, found, unread=problem)

    def _check(self, subject: Subject) -> _Result:
        if isinstance(subject, Model):
            found = self._ask(lambda rule: _check_model(rule, subject))
            name = subject.path or "model"
            return _Result(name, found, is_opaque=subject.graph is None)
        found = self._ask(lambda rule: rule.check_source(subject))
        kept = without_suppressed(found, subject)
        excerpts = {each: _excerpt(subject, each) for each in kept}
        return _Result(str(subject.path), kept, excerpts=excerpts)

    def _ask(self, check: Callable[[Rule], Iterable[Finding]]) -> list[Finding]:
        """What all rules find, without what the configuration silences."""
        findings = chain.from_iterable(check(rule) for rule in self._rules)
        return [each for each in findings if not self._config.silences(each)]


def _check_model(rule: Rule, model: Model) -> Iterable[Finding]:
    left_out = rule.live_only if model.live is None else rule.saved_only
    return () if left_out else rule.check_model(model)


def _excerpt(module: Module, finding: Finding) -> str:
    """The first line of source that a finding is about, indented as it was."""
    place = finding.location
    first, _ = line_range(module, place)
    if first > len(module.lines):
        return ""
    indent = module.cells[place.cell - 1].indent if place.cell else 0
    return " " * indent + module.lines[first - 1]


def _is_module(target: str) -> bool:
    if os.path.lexists(target):
        return False
    refuse_file_reference(target)
    return is_reference(target)


def _as_path(target: Any) -> Path:
    if target != "" and isinstance(target, str | os.PathLike):
        return Path(target)
    raise UsageError(
        "A target is a file, a folder, 'package.module:name', or a Keras model. "
        f"Received: {target!r} of type {type(target).__name__}."
    )


def _place(finding: Finding) -> tuple[str, int, int, int, str]:
    """Sorts by place and code; layers stay in the model's order."""
    place = finding.location
    return (
        place.path or "",
        place.cell or 0,
        place.line or 0,
        place.column or 0,
        finding.code,
    )
