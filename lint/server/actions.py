"""Code actions for a finding: its fix, and a comment that silences it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lsprotocol import types

from .diagnostics import text_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pygls.workspace import PositionCodec

    from ..findings import Edit, Finding
    from .documents import Part, Snapshot

FIX_ALL = types.CodeActionKind.SourceFixAll


class Shown(NamedTuple):
    """A finding that is shown in the editor.

    Attributes:
        finding: the finding.
        diagnostic: the diagnostic that was sent to the editor.
        part: the text that it is in.
        silencing: the edits that add a comment.
    """

    finding: Finding
    diagnostic: types.Diagnostic
    part: Part
    silencing: tuple[Edit, ...]


def actions_for(
    shown: Sequence[Shown], place: types.Range, snapshot: Snapshot, codec: PositionCodec
) -> Iterator[types.CodeAction]:
    """Yield the actions for the findings that touch a range of text."""
    for entry in shown:
        if not _touches(entry.diagnostic.range, place):
            continue
        if (fix := entry.finding.fix) is not None:
            hint = "" if fix.safe else " (review the result)"
            yield _action(
                f"Fix {entry.finding.code}: {entry.finding.name}{hint}",
                types.CodeActionKind.QuickFix,
                workspace_edit(fix.edits, snapshot, codec),
                entry,
                is_preferred=fix.safe,
            )
        yield _action(
            f"Disable {entry.finding.code} for this line",
            types.CodeActionKind.QuickFix,
            workspace_edit(entry.silencing, snapshot, codec),
            entry,
        )


def fix_all(
    shown: Sequence[Shown], snapshot: Snapshot, codec: PositionCodec
) -> Iterator[types.CodeAction]:
    """Yield an action that applies every safe fix, as editors may do when saving."""
    edits: dict[Edit, None] = {}
    for entry in shown:
        if entry.finding.fix is not None and entry.finding.fix.safe:
            edits.update(dict.fromkeys(entry.finding.fix.edits))
    if edits:
        yield types.CodeAction(
            title="Apply all safe fixes of model-lint",
            kind=FIX_ALL,
            edit=workspace_edit(edits, snapshot, codec),
        )


def workspace_edit(
    edits: Iterable[Edit], snapshot: Snapshot, codec: PositionCodec
) -> types.WorkspaceEdit:
    """Convert edits of a file or notebook to the editor's form, grouped by text."""
    changes: dict[str, list[types.TextEdit]] = {}
    for edit in edits:
        part = snapshot.part_at(edit.place)
        change = types.TextEdit(text_range(edit.place, part, codec), edit.text)
        changes.setdefault(part.uri, []).append(change)
    return types.WorkspaceEdit(changes=changes)


def _action(
    title: str,
    kind: types.CodeActionKind,
    edit: types.WorkspaceEdit,
    shown: Shown,
    *,
    is_preferred: bool | None = None,
) -> types.CodeAction:
    return types.CodeAction(
        title=title,
        kind=kind,
        edit=edit,
        diagnostics=[shown.diagnostic],
        is_preferred=is_preferred,
    )


def _touches(one: types.Range, other: types.Range) -> bool:
    return _key(one.start) <= _key(other.end) and _key(other.start) <= _key(one.end)


def _key(position: types.Position) -> tuple[int, int]:
    return position.line, position.character
