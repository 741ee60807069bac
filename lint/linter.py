"""The findings of all rules in one subject, without silenced ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from kerasbn.isolation import UnusableFileError, isolated

from .excluding import Exclusion
from .findings import Severity
from .rules import enabled_rules
from .subjects import Opener, Unread, UnreadError
from .subjects.files import MODEL
from .subjects.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from .baseline import Baseline, Key
    from .config import Config
    from .findings import Finding
    from .rules import Rule
    from .subjects import Subject
    from .subjects.source import Module


@dataclass(frozen=True)
class Result:
    """The result for one subject.

    Attributes:
        name: the file or model.
        findings: the findings to report.
        unread: why it could not be read, if so.
        is_opaque: whether it is a model or notebook that could be checked only in part.
        excerpts: the first line of source of each finding in source.
        known: how often each finding of the baseline was found.
    """

    name: str
    findings: list[Finding]
    unread: Unread | None = None
    is_opaque: bool = False
    excerpts: dict[Finding, str] = field(default_factory=dict)
    known: Counter[Key] = field(default_factory=Counter)


class Linter:
    """The rules and the configuration of a run, and caches across files.

    Raises:
        UsageError: if a selector matches no rule, or the baseline cannot be read.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._rules = enabled_rules(config.select, config.ignored, config.extend_select)
        leaves_out = partial(Exclusion(config).leaves_out_named, is_folder=False)
        self._opener = Opener(config.keras_version, config.targets, leaves_out)
        self._has_checked_model = False
        self.baseline: Baseline | None = None
        if config.baseline is not None:
            from .baseline import read_baseline

            self.baseline = read_baseline(config.root / config.baseline)

    @property
    def codes(self) -> set[str]:
        """The rules that are on."""
        return {rule.code for rule in self._rules}

    def check_file(self, path: Path, data: bytes | None = None) -> Result:
        """Check a file; that it cannot be read is a finding, too.

        Args:
            path: the file.
            data: the content to assume; only for source.
        """
        if data is not None or path.suffix.lower() not in MODEL:
            return self._check_file(path, data)
        if self._has_checked_model:
            import kerasbn.archive  # noqa: F401 - once, for all forks to come
        self._has_checked_model = True
        try:
            return isolated(partial(self._check_file, path))
        except UnusableFileError as error:  # The HDF5 library crashed or hung.
            return self._unread(Unread(str(path), f"{error} Received: {path}."))

    def _check_file(self, path: Path, data: bytes | None = None) -> Result:
        try:
            if data is not None:
                return self.check(self.read_source(path, data))
            with self._opener.open(path) as subject:
                return self.check(subject)
        except UnreadError as error:
            problem = error.problem
        except (RecursionError, MemoryError):
            problem = Unread(str(path), "Nested too deeply, or too large, to be read.")
        except Exception as error:  # A bug in a rule must not end the whole run.
            problem = Unread(
                str(path),
                f"The linter itself failed: {type(error).__name__}: {error}. Please "
                "report this; the file was not checked.",
            )
        return self._unread(problem)

    def _unread(self, problem: Unread) -> Result:
        found = self._ask(lambda rule: rule.check_unread(problem))
        return self._result(problem.path, found, unread=problem)

    def read_source(self, path: Path, data: bytes) -> Module:
        """Read a source file that has this content.

        Raises:
            UnreadError: if it cannot be read.
        """
        return self._opener.read_source(path, data)

    def check_bytes(self, path: Path, data: bytes) -> list[Finding]:
        """Return the findings in a source file that has this content.

        Raises:
            UnreadError: if it cannot be read.
        """
        return self.check(self.read_source(path, data)).findings

    def check(self, subject: Subject) -> Result:
        """Check a model or a source."""
        if isinstance(subject, Model):
            found = self._ask(lambda rule: _check_model(rule, subject))
            is_opaque = bool(subject.graph is None or subject.hidden)
            return self._result(subject.path or "model", found, is_opaque=is_opaque)
        from .suppression import Suppressions  # What models do without.

        found = self._ask(lambda rule: _check_source(rule, subject))
        if subject.is_test:
            found = [_of_test(candidate) for candidate in found]
        suppressions = Suppressions(subject)
        kept = suppressions.without_silenced(found)
        unused = suppressions.unused(self.codes)
        kept += self._ask(lambda rule: rule.check_suppressions(subject, unused))
        excerpts = {finding: _excerpt(subject, finding) for finding in kept}
        is_opaque = bool(subject.unread)
        return self._result(str(subject.path), kept, excerpts, is_opaque=is_opaque)

    def _result(
        self,
        name: str,
        findings: list[Finding],
        excerpts: Mapping[Finding, str] | None = None,
        *,
        unread: Unread | None = None,
        is_opaque: bool = False,
    ) -> Result:
        texts = dict(excerpts or {})
        known: Counter[Key] = Counter()
        if self.baseline is not None:
            findings, known = self.baseline.split(findings, texts)
        return Result(name, findings, unread, is_opaque, texts, known)

    def _ask(self, check: Callable[[Rule], Iterable[Finding]]) -> list[Finding]:
        """Collect the findings of all rules, without those that settings silence."""
        findings = chain.from_iterable(check(rule) for rule in self._rules)
        return [finding for finding in findings if not self._config.silences(finding)]


def _of_test(finding: Finding) -> Finding:
    """Lower a finding in a test, which may well try out what is wrong."""
    fix = finding.fix and replace(finding.fix, safe=False)
    return replace(finding, severity=Severity.INFO, fix=fix)


def _check_model(rule: Rule, model: Model) -> Iterable[Finding]:
    left_out = rule.live_only if model.live is None else rule.saved_only
    return () if left_out else rule.check_model(model)


def _check_source(rule: Rule, module: Module) -> Iterable[Finding]:
    unread = (rule.check_unread(file) for file in module.unread)
    return chain(rule.check_source(module), *unread)


def _excerpt(module: Module, finding: Finding) -> str:
    """Return the first line of source of a finding, with its indentation."""
    from .suppression import line_range

    place = finding.location
    first, _ = line_range(module, place)
    if first > len(module.lines):
        return ""
    indent = module.cells[place.cell - 1].indent if place.cell else 0
    return " " * indent + module.lines[first - 1]
