"""The result of a rule: a finding, its place and its severity."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """The severity of a finding; only errors and warnings fail a run by default."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def letter(self) -> str:
        """`E`, `W` or `I`, as the rule index writes it."""
        return self.value[0].upper()

    def at_least(self, other: Severity) -> bool:
        """Whether this severity is at least as grave as `other`."""
        order = list(Severity)
        return order.index(self) <= order.index(other)


@dataclass(frozen=True, slots=True)
class Location:
    """The place of a finding: in a text (lines, columns), in a model (layer), or both.

    Lines and columns count from 1, columns in characters; `end_column` is the one after
    the last character. `cell` counts a notebook's code cells from 1, and the lines are
    then those of the cell. `layer` is a layer's path (`inner/bn1`).
    """

    path: str | None = None
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    cell: int | None = None
    layer: str | None = None

    def __str__(self) -> str:
        """`path:line:column`, `path:cell 3:line:column` or `path: layer inner/bn1`."""
        parts = [self.path or "model"]
        if self.cell is not None:
            parts.append(f"cell {self.cell}")
        if self.line is not None:
            parts += [str(self.line), str(self.column or 1)]
        if self.layer is not None:
            parts.append(f" layer {self.layer}")
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement of the text at `place` by `text`; an insertion if that is empty.

    Lines of `text` end in a line feed, whatever line ending the file uses.
    """

    place: Location
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """The edits that fix a finding, all in its own file, to be applied together.

    A safe fix changes only what the rule reports, and nothing that may have been
    intended. Any other needs review, and is applied only with `--unsafe-fixes`.
    """

    edits: tuple[Edit, ...]
    safe: bool = True

    def to_json(self) -> dict[str, Any]:
        """The fix as an object: whether it is safe, and its edits.

        An edit of a notebook applies to the finding's cell.
        """
        edits = [
            {
                "line": edit.place.line,
                "column": edit.place.column,
                "end_line": edit.place.end_line,
                "end_column": edit.place.end_column,
                "cell": edit.place.cell,
                "text": edit.text,
            }
            for edit in self.edits
        ]
        return {"safe": self.safe, "edits": edits}


@dataclass(frozen=True, slots=True)
class Finding:
    """A statement of a rule about one place."""

    code: str
    name: str
    severity: Severity
    message: str
    location: Location
    fix: Fix | None = None

    @property
    def path(self) -> str | None:
        """The file the finding is in; None for a live model."""
        return self.location.path

    @property
    def line(self) -> int | None:
        """The line, from 1; None in a model."""
        return self.location.line

    @property
    def column(self) -> int | None:
        """The column, from 1; None in a model."""
        return self.location.column

    @property
    def layer(self) -> str | None:
        """The layer's path; None in source."""
        return self.location.layer

    @property
    def fixable(self) -> bool:
        """Whether `model-lint --fix` can fix it, with unsafe fixes if need be."""
        return self.fix is not None

    def __str__(self) -> str:
        """The finding in one line, as `--output-format concise` prints it."""
        return f"{self.location}: {self.code} {self.severity} {self.message}"

    def to_json(self) -> dict[str, Any]:
        """The finding as the flat object that `--output-format json` prints."""
        place = self.location
        return {
            "code": self.code,
            "name": self.name,
            "severity": self.severity.value,
            "message": self.message,
            "path": place.path,
            "line": place.line,
            "column": place.column,
            "end_line": place.end_line,
            "end_column": place.end_column,
            "cell": place.cell,
            "layer": place.layer,
            "fixable": self.fixable,
            "fix": None if self.fix is None else self.fix.to_json(),
        }
