"""The editable texts of a file, and the file with edits applied.

Everything else is preserved byte for byte: encoding and byte order mark, line
endings, and in a notebook all JSON that no edit touches.
"""

from __future__ import annotations

import io
import json
import re
import tokenize
from json import scanner
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, Protocol

from ..subjects.notebook import code_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..findings import Edit

Position = tuple[int, int, int]

_LINE_END = re.compile(r"\r\n|\r|\n")
# One character, as JSON writes it.
_CHARACTER = re.compile(
    r"\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\.|.",
    re.DOTALL,
)


class Document(Protocol):
    """A file whose texts can be edited.

    Attributes:
        texts: the source of a module, or that of each code cell of a notebook.
    """

    texts: tuple[str, ...]

    def with_edits(self, edits: Iterable[Edit]) -> bytes:
        """Return the bytes of the file with edits that do not overlap.

        Raises:
            ValueError: if an edit is at a place that cannot be edited.
        """


def read_document(data: bytes, *, is_notebook: bool) -> Document:
    """Parse a file's content.

    Raises:
        ValueError: if it cannot be edited without changing anything else.
    """
    document: Document
    try:
        document = _Notebook(data) if is_notebook else _Script(data)
    except (RecursionError, SyntaxError, LookupError) as error:
        raise ValueError(f"it cannot be decoded: {error}") from error
    if document.with_edits(()) != data:
        raise ValueError("its encoding does not round-trip")
    return document


def span(edit: Edit) -> tuple[Position, Position]:
    """The (cell, line, column) of an edit's begin and end."""
    place = edit.place
    start = (place.cell or 1, place.line or 1, place.column or 1)
    end = (start[0], place.end_line or start[1], place.end_column or start[2])
    return start, end


def _offsets(text: str, edit: Edit) -> tuple[int, int]:
    """The offsets of an edit's begin and end in its text."""
    lines = [0, *(match.end() for match in _LINE_END.finditer(text)), len(text)]
    start, end = (lines[line - 1] + column - 1 for _, line, column in span(edit))
    return start, end


def _last_first(edits: Iterable[Edit]) -> list[Edit]:
    """Sort edits so that none moves the place of the next."""
    return sorted(edits, key=span, reverse=True)


class _Script:
    """A Python file."""

    def __init__(self, data: bytes) -> None:
        self._encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        self.texts: tuple[str, ...] = (data.decode(self._encoding),)

    def with_edits(self, edits: Iterable[Edit]) -> bytes:
        """See `Document`."""
        (text,) = self.texts
        first = _LINE_END.search(text)
        line_end = first[0] if first else "\n"
        for edit in _last_first(edits):
            start, end = _offsets(text, edit)
            text = text[:start] + edit.text.replace("\n", line_end) + text[end:]
        return text.encode(self._encoding)


class _Notebook:
    """A notebook: JSON, in which a text is one string or a list of lines."""

    def __init__(self, data: bytes) -> None:
        self._encoding = json.detect_encoding(data)
        self._raw = data.decode(self._encoding)
        sources = code_sources(_Positions().decode(self._raw))
        self._pieces = [_pieces(source) for source in sources]
        self.texts = tuple("".join(piece) for piece in self._pieces)

    def with_edits(self, edits: Iterable[Edit]) -> bytes:
        """See `Document`."""
        raw = self._raw
        for edit in _last_first(edits):
            cell = span(edit)[0][0] - 1
            pieces = self._pieces[cell]
            places = self._places(pieces)
            start, end = _offsets(self.texts[cell], edit)
            new = json.dumps(edit.text)[1:-1]
            if len(pieces) > 1:
                between = self._raw[pieces[0].end - 1 : pieces[1].start + 1]
                new = new.replace(r"\n", rf"\n{between}")
            raw = raw[: places[start]] + new + raw[places[end] :]
        return raw.encode(self._encoding)

    def _places(self, pieces: Sequence[_Literal]) -> list[int]:
        """Return each character's offset in the raw text, and the end of the last."""
        places: list[int] = []
        for piece in pieces:
            written = _CHARACTER.finditer(self._raw, piece.start + 1, piece.end - 1)
            places += [match.start() for match in written]
        if len(places) != sum(map(len, pieces)):
            raise ValueError("a string of the notebook cannot be parsed")
        return [*places, pieces[-1].end - 1]


class _Literal(str):
    """A JSON string with its position, quotation marks included."""

    __slots__ = ("end", "start")
    start: int
    end: int


class _Positions(json.JSONDecoder):
    """A decoder that reads every string value as a `_Literal`."""

    def __init__(self) -> None:
        super().__init__()
        self.parse_string = _read_literal
        self.scan_once = scanner.py_make_scanner(self)  # type: ignore[attr-defined]


def _read_literal(text: str, begin: int, strict: bool) -> tuple[_Literal, int]:
    value, end = scanstring(text, begin, strict)
    literal = _Literal(value)
    literal.start, literal.end = begin - 1, end
    return literal, end


def _pieces(source: Any) -> list[_Literal]:
    """Return the strings of a cell's source; empty if it is anything else."""
    pieces = source if isinstance(source, list) else [source]
    return pieces if all(isinstance(piece, _Literal) for piece in pieces) else []
