"""Snapshots of the files and notebooks that are open in an editor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.uris import to_fs_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pygls.workspace import TextDocument, Workspace

    from ..findings import Location


@dataclass(frozen=True)
class Part:
    """A text of the editor: a file, or a code cell of a notebook.

    Attributes:
        uri: its own name in the protocol.
        version: the editor's count of its changes.
        lines: its lines, with their ends.
    """

    uri: str
    version: int | None
    lines: tuple[str, ...]

    @classmethod
    def of(cls, document: TextDocument) -> Part:
        """Return the text in its current state."""
        return cls(document.uri, document.version, tuple(document.lines))

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.lines)


@dataclass(frozen=True)
class Snapshot:
    """A file or notebook with all its texts.

    Attributes:
        uri: its name in the protocol.
        path: the file, or the one in which it would be saved.
        is_notebook: whether its parts are cells.
        parts: the file's text, or the code cells in order.
    """

    uri: str
    path: Path
    is_notebook: bool
    parts: tuple[Part, ...]

    @property
    def data(self) -> bytes:
        """The content that the file would have."""
        if not self.is_notebook:
            return self.parts[0].text.encode("utf-8", "surrogatepass")
        cells = [
            {"cell_type": "code", "metadata": {}, "source": part.text}
            for part in self.parts
        ]
        return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}).encode()

    def part_at(self, place: Location) -> Part:
        """Return the text that a finding is in."""
        number = (place.cell or 1) - 1
        return self.parts[min(number, len(self.parts) - 1)]


def snapshot(workspace: Workspace, uri: str) -> Snapshot | None:
    """Return the open document of this name; None if it is not Python, or closed."""
    notebook = workspace.get_notebook_document(notebook_uri=uri)
    if notebook is not None:
        cells = [
            Part.of(workspace.get_text_document(cell.document))
            for cell in notebook.cells
            if cell.kind is types.NotebookCellKind.Code
        ]
        return Snapshot(uri, _path(uri, ".ipynb"), True, tuple(cells))
    document = workspace.text_documents.get(uri)
    if document is None or document.language_id not in (None, "", "python"):
        return None
    return Snapshot(uri, _path(uri, ".py"), False, (Part.of(document),))


def whole_of(workspace: Workspace, uri: str) -> str:
    """Return the name of the notebook to which a text belongs, or else its own."""
    notebook = workspace.get_notebook_document(cell_uri=uri)
    return uri if notebook is None else notebook.uri


def all_open(workspace: Workspace) -> Iterator[str]:
    """Yield the names of the files and notebooks that are open."""
    yield from workspace.notebook_documents
    for uri in workspace.text_documents:
        if workspace.get_notebook_document(cell_uri=uri) is None:
            yield uri


def _path(uri: str, suffix: str) -> Path:
    """Return a document's path; one that was never saved is in the current folder."""
    path = to_fs_path(uri) if uri.startswith("file:") else None
    if path is None:
        return Path(f"untitled{suffix}")
    return Path(path) if path.lower().endswith(suffix) else Path(path + suffix)
