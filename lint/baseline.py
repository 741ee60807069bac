"""The findings that a legacy repository accepts for now.

They are identified by file, rule and the text of their line, or their layer, and by
their number; so lines may move, and one more finding of the kind is still reported.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .writing import text_file, write_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from .findings import Finding

VERSION = 1

Key = tuple[str, str, str, str]
"""Path, code, the line's text without surrounding space, and layer."""


@dataclass(frozen=True)
class Baseline:
    """Known findings; empty unless read from a file.

    Attributes:
        file: the file; paths in it are relative to its folder.
        known: the count of each.
    """

    file: Path
    known: Mapping[Key, int]

    def split(
        self, findings: Iterable[Finding], texts: Mapping[Finding, str]
    ) -> tuple[list[Finding], Counter[Key]]:
        """Return the new findings, and how often each known one was found."""
        new: list[Finding] = []
        found: Counter[Key] = Counter()
        for finding in findings:
            key = _key(finding, texts.get(finding, ""), self.file)
            if found[key] < self.known.get(key, 0):
                found[key] += 1
            else:
                new.append(finding)
        return new, +found

    def stale(
        self, found: Counter[Key], checked: Iterable[str], codes: Collection[str]
    ) -> int:
        """Count the known findings that no longer occur in the files that were checked.

        Args:
            found: how often each known one was found.
            checked: the files and models that were read.
            codes: the rules that were applied.
        """
        read = {_relative(name, self.file) for name in checked}
        gone = {
            key: count - found[key]
            for key, count in self.known.items()
            if key[1] in codes and (key[0] in read or not self._exists(key[0]))
        }
        return sum(gone.values())

    def _exists(self, path: str) -> bool:
        return (self.file.parent / path).exists()


def read_baseline(file: Path) -> Baseline:
    """Read a baseline.

    Raises:
        UsageError: if it is missing, or was not written by `write_baseline`.
    """
    if file.exists() and not file.is_file():  # To read a pipe may never end.
        raise UsageError(
            f"The baseline is not a file. Received: {file}, which is a folder, a pipe "
            "or a device. Name a file that --write-baseline wrote."
        )
    try:
        content = json.loads(file.read_bytes())
        known = {_entry_key(entry): _count(entry) for entry in content["findings"]}
        version = content["version"]
    except OSError as error:
        raise UsageError(
            f"The baseline cannot be read: {error.strerror or error}. "
            f"Received: {file}. Create one with --write-baseline {file}."
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise UsageError(
            f"The baseline is malformed: {reason}. Received: {file}. "
            f"Recreate it with --write-baseline {file}."
        ) from error
    if version != VERSION:
        raise UsageError(
            f"The baseline has an unsupported version. Received: {version!r} in "
            f"{file}; supported: {VERSION}. Recreate it with --write-baseline {file}."
        )
    return Baseline(file, known)


def write_baseline(
    file: Path, findings: Iterable[Finding], texts: Mapping[Finding, str]
) -> None:
    """Write the findings as a baseline, sorted, so that its versions diff well.

    Raises:
        UsageError: if the file cannot be written.
    """
    keys = (_key(finding, texts.get(finding, ""), file) for finding in findings)
    entries = [_entry(key, count) for key, count in sorted(Counter(keys).items())]
    with text_file(file, "baseline") as opened:
        write_json({"version": VERSION, "findings": entries}, opened)


def _key(finding: Finding, text: str, file: Path) -> Key:
    path = _relative(finding.path or "", file)
    return path, finding.code, text.strip(), finding.layer or ""


def _relative(name: str, file: Path) -> str:
    """Return a path relative to the baseline's folder; anything else unchanged."""
    if not os.path.lexists(name):
        return name  # a `package.module:name`, or a file that is missing
    folder = os.path.realpath(file.parent)
    real = os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name))  # noqa: PTH118, PTH119, PTH120
    return os.path.relpath(real, folder).replace(os.sep, "/")


def _entry(key: Key, count: int) -> dict[str, Any]:
    path, code, text, layer = key
    entry: dict[str, Any] = {"path": path, "code": code}
    if text:
        entry["text"] = text
    if layer:
        entry["layer"] = layer
    return {**entry, "count": count}


def _entry_key(entry: Mapping[str, Any]) -> Key:
    words = (
        entry["path"],
        entry["code"],
        entry.get("text", ""),
        entry.get("layer", ""),
    )
    if not all(isinstance(word, str) for word in words):
        raise ValueError(f"an entry is {str(entry)[:60]!r}")
    return words


def _count(entry: Mapping[str, Any]) -> int:
    count = entry["count"]
    if type(count) is not int or count < 1:
        raise ValueError(f"a count is {count!r}")
    return count
