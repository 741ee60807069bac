"""Findings in the form of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.workspace.position_codec import ServerTextPosition

from ..findings import Severity
from ..rules import rule_by_code
from ..urls import rule_url

if TYPE_CHECKING:
    from pygls.workspace import PositionCodec

    from ..findings import Finding, Location
    from .documents import Part

_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFO: types.DiagnosticSeverity.Information,
}


def diagnostic(finding: Finding, part: Part, codec: PositionCodec) -> types.Diagnostic:
    """Convert a finding in a text, with the page of its rule."""
    return types.Diagnostic(
        range=text_range(finding.location, part, codec),
        message=finding.message,
        severity=_SEVERITIES[finding.severity],
        code=finding.code,
        code_description=types.CodeDescription(
            href=rule_url(rule_by_code(finding.code))
        ),
        source="model-lint",
    )


def text_range(place: Location, part: Part, codec: PositionCodec) -> types.Range:
    """Convert a place, whose columns count characters from 1, to the client's units."""
    line, column = place.line or 1, place.column or 1
    end_line = place.end_line or line
    end_column = place.end_column or (column + 1 if place.end_line is None else column)
    return types.Range(
        start=_position(line, column, part, codec),
        end=_position(end_line, end_column, part, codec),
    )


def _position(
    line: int, column: int, part: Part, codec: PositionCodec
) -> types.Position:
    at = ServerTextPosition(line=line - 1, character=column - 1)
    return codec.position_to_client_units(part.lines, at)
