"""The base class of every rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ..findings import Finding, Fix, Location, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..subjects.model import Model
    from ..subjects.source import Module
    from ..subjects.unread import Unread
    from ..suppression import Suppression


class Rule:
    """A pitfall: its rationale, its examples, its proof, and how it is found.

    A rule is one file, `bn<number>_<name>.py`. Its class docstring is its
    documentation in Markdown: one summary line, which the index shows, then
    `## What it does`, `## Why is this bad` and, where there is more to say, `## Fix`,
    `## Limits` and `## References`; `model-lint rule CODE` prints it with the
    examples. The first sentence of `## Why is this bad` also stands beneath a
    finding in the text report, so it must make sense on its own.

    The examples are also the rule's test. Both are complete Python sources. Where
    the rule reads source it must fire on `bad` and be silent on `good`. Where it
    reads models, each example leaves a `model` behind, which is linted live and
    saved. `proof` is Python source that is run after either example, in its
    namespace, with real Keras, and leaves `healthy` behind: False after `bad` (the
    harm was observed), True after `good`. It is text, so that linting never loads
    a framework; None where nothing can be run.

    A finding in source may come with a `fix`, made by a function of
    `subjects.source.reading.edits`, each of which returns None where the text does not
    allow it. A fix is `safe` if nobody could have meant the code as it was. The code
    that applies a fix lints the result: if the finding remains, or a new error or
    warning without a fix appears, the source is left as it was.

    `backend` is the one that the proof needs, if it shows nothing on others.

    `saved_only` keeps a rule from live models, which may still be in training,
    `live_only` from saved ones, which do not hold what it looks at.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[Severity]
    default: ClassVar[bool] = True
    saved_only: ClassVar[bool] = False
    live_only: ClassVar[bool] = False
    backend: ClassVar[str | None] = None
    bad: ClassVar[str]
    good: ClassVar[str]
    proof: ClassVar[str | None] = None

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Findings in one Python module or notebook; none unless overridden."""
        return iter(())

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Findings in one saved or live model; none unless overridden."""
        return iter(())

    def check_unread(self, problem: Unread) -> Iterator[Finding]:
        """Findings about a target that could not be read; none unless overridden."""
        return iter(())

    def check_suppressions(
        self, module: Module, unused: list[Suppression]
    ) -> Iterator[Finding]:
        """Findings about comments that silence nothing; none unless overridden."""
        return iter(())

    def finding(
        self,
        message: str,
        location: Location,
        severity: Severity | None = None,
        fix: Fix | None = None,
    ) -> Finding:
        """Return a finding of this rule, at its usual severity unless one is given."""
        return Finding(
            self.code, self.name, severity or self.severity, message, location, fix
        )
