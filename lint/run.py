"""From targets to a report: subjects, rules, suppression, in one direction."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .findings import Severity
from .linter import Linter
from .parallel import check_files
from .subjects.files import each_once, is_folder_of_files, lintable_files
from .subjects.imported import import_model, is_reference, refuse_file_reference
from .subjects.live_model import is_live_model, read_live_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .baseline import Key
    from .config import Config
    from .findings import Finding
    from .linter import Result
    from .subjects import Subject, Unread

    Progress = Callable[[Iterator[Result], int], Iterator[Result]]


@dataclass(frozen=True)
class Report:
    """What a run found.

    Attributes:
        findings: sorted by file, place and code.
        checked: the files and models that were read, by name.
        unread: the targets that could not be read.
        opaque: the models and notebooks that could be checked only in part, by name.
        excerpts: the first line of source of each finding in source.
        known: how many findings are not reported, as the baseline has them.
        stale: how many findings of the baseline are there no longer.
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    unread: tuple[Unread, ...] = ()
    opaque: tuple[str, ...] = ()
    excerpts: dict[Finding, str] = field(default_factory=dict)
    known: int = 0
    stale: int = 0

    def fails(self, fail_on: str) -> bool:
        """Whether a finding is as grave as `fail_on`, a severity or `never`."""
        return fail_on != "never" and any(
            finding.severity.at_least(Severity(fail_on)) for finding in self.findings
        )


def run(
    targets: Sequence[Any],
    config: Config,
    *,
    jobs: int = 1,
    progress: Progress = lambda results, total: results,
) -> Report:
    """Check targets: paths, texts `package.module:name`, or live models.

    Args:
        targets: what to check.
        config: with what rules and exceptions.
        jobs: how many processes may share the work.
        progress: passes the results of files on, one by one, and shows how many of
            how many there are.

    Raises:
        UsageError: if a selector means no rule, or a target is of no such kind.
    """
    linter = Linter(config)
    subjects, paths = _sorted_out(targets)
    results = [linter.check(subject) for subject in subjects]
    results += _check_paths(paths, linter, config, jobs, progress)
    known: Counter[Key] = sum((each.known for each in results), Counter())
    checked = tuple(each.name for each in results if each.unread is None)
    baseline = linter.baseline
    return Report(
        findings=tuple(sorted(chain.from_iterable(map(_found, results)), key=_place)),
        checked=checked,
        unread=tuple(each.unread for each in results if each.unread is not None),
        opaque=tuple(each.name for each in results if each.is_opaque),
        excerpts={k: v for each in results for k, v in each.excerpts.items()},
        known=known.total(),
        stale=0 if baseline is None else baseline.stale(known, checked, linter.codes),
    )


def _found(result: Result) -> list[Finding]:
    return result.findings


def _sorted_out(targets: Sequence[Any]) -> tuple[list[Subject], list[Path]]:
    """The models among the targets, and the files and folders."""
    subjects: list[Subject] = []
    paths: list[Path] = []
    for target in targets:
        if is_live_model(target):
            subjects.append(read_live_model(target))
        elif isinstance(target, str) and _is_module(target):
            subjects.append(import_model(target))
        else:
            paths.append(_as_path(target))
    return subjects, paths


def _check_paths(
    paths: Sequence[Path],
    linter: Linter,
    config: Config,
    jobs: int,
    progress: Progress,
) -> Iterator[Result]:
    """A named file is never excluded, nor silently passed over."""
    folders = [path for path in paths if is_folder_of_files(path)]
    named = {path: None for path in paths if path not in folders}
    inside = (lintable_files(each, config.excludes) for each in folders)
    files = list(each_once(chain(named, *inside)))
    results = progress(check_files(files, linter, config, jobs), len(files))
    for path, result in zip(files, results, strict=True):
        # In a folder, a data set in HDF5 is nobody's mistake.
        if path in named or result.unread is None or result.unread.supported:
            yield result


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
