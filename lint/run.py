"""The way from targets to a report: subjects, rules, suppression."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .excluding import Exclusion
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
    """The result of a run.

    Attributes:
        findings: sorted by file, place and code.
        checked: the files and models that were read, by name.
        unread: the targets that could not be read.
        opaque: the models and notebooks that could be checked only in part, by name.
        excerpts: the first line of source of each finding in source.
        known: how many findings are not reported because they are in the baseline.
        stale: how many findings of the baseline no longer occur.
        passed_over: path -> the reason, for files and folders that were skipped.
    """

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    unread: tuple[Unread, ...] = ()
    opaque: tuple[str, ...] = ()
    excerpts: dict[Finding, str] = field(default_factory=dict)
    known: int = 0
    stale: int = 0
    passed_over: dict[Path, str] = field(default_factory=dict)

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
        config: the rules and exceptions.
        jobs: how many processes may share the work.
        progress: passes on the results of files one by one, and shows how many of them
            are done.

    Raises:
        UsageError: if a selector matches no rule, or a target is of another kind.
    """
    linter = Linter(config)
    subjects, paths = _sorted_out(targets)
    results = [linter.check(subject) for subject in subjects]
    exclusion = Exclusion(config)
    named, files = _files(paths, exclusion, force=config.force_exclude)
    # Neighbours share what they import, and that is kept for a few projects only.
    ordered = sorted(files)
    checked_files = progress(check_files(ordered, linter, config, jobs), len(files))
    by_path = dict(zip(ordered, checked_files, strict=True))
    for path in files:
        result = by_path[path]
        # In a folder, an HDF5 data set is not a mistake.
        if result.unread is None or result.unread.supported or path in named:
            results.append(result)
    return _report(results, linter, exclusion)


def run_text(
    path: Path, data: bytes, config: Config, *, is_named: bool = True
) -> Report:
    """Check source that is not, or not in this form, in a file.

    Args:
        path: the file that it belongs to: imports and settings are looked up from
            there, and with `force-exclude` it may be skipped.
        data: the content.
        config: the rules and exceptions.
        is_named: False if there is no such path; then nothing excludes it.

    Raises:
        UsageError: if a selector matches no rule.
    """
    linter, exclusion = Linter(config), Exclusion(config)
    if (
        is_named
        and config.force_exclude
        and exclusion.leaves_out_named(path, is_folder=False)
    ):
        return _report([], linter, exclusion)
    return _report([linter.check_file(path, data)], linter, exclusion)


def _report(results: list[Result], linter: Linter, exclusion: Exclusion) -> Report:
    known: Counter[Key] = sum((result.known for result in results), Counter())
    checked = tuple(result.name for result in results if result.unread is None)
    baseline = linter.baseline
    return Report(
        findings=tuple(sorted(chain.from_iterable(map(_found, results)), key=_place)),
        checked=checked,
        unread=tuple(result.unread for result in results if result.unread is not None),
        opaque=tuple(result.name for result in results if result.is_opaque),
        excerpts={k: v for result in results for k, v in result.excerpts.items()},
        known=known.total(),
        stale=0 if baseline is None else baseline.stale(known, checked, linter.codes),
        passed_over=exclusion.passed_over,
    )


def files_to_check(targets: Sequence[Any], config: Config) -> tuple[Path, ...]:
    """List the files that a run with these targets reads, in its order.

    Raises:
        UsageError: if a target is of another kind.
    """
    paths = [_as_path(target) for target in targets if not _is_model(target)]
    return tuple(_files(paths, Exclusion(config), force=config.force_exclude)[1])


def _is_model(target: Any) -> bool:
    return is_live_model(target) or (isinstance(target, str) and _is_module(target))


def _found(result: Result) -> list[Finding]:
    return result.findings


def _sorted_out(targets: Sequence[Any]) -> tuple[list[Subject], list[Path]]:
    """Split the targets into models, and files and folders."""
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


def _files(
    paths: Sequence[Path], exclusion: Exclusion, *, force: bool
) -> tuple[set[Path], list[Path]]:
    """Return the files that are named, and all files including those in the folders.

    A named file is skipped only with `force`; a named folder is always searched, unless
    `force` excludes it.
    """
    if force:
        paths = [
            path
            for path in paths
            if not exclusion.leaves_out_named(path, is_folder=path.is_dir())
        ]
    folders = [path for path in paths if is_folder_of_files(path)]
    named = [path for path in paths if path not in folders]

    def leaves_out(path: Path, is_folder: bool) -> bool:
        return exclusion.leaves_out(path, is_folder=is_folder)

    inside = (lintable_files(folder, leaves_out) for folder in folders)
    return set(named), list(each_once(chain(named, *inside)))


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
    """Sort key by place and code; layers stay in the model's order."""
    place = finding.location
    return (
        place.path or "",
        place.cell or 0,
        place.line or 0,
        place.column or 0,
        finding.code,
    )
