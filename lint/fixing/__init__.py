"""Fixing of files: edits, repeated linting, and writing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..linter import Linter
from .fixer import FixedFile, fix_data, fix_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..config import Config
    from ..run import Report

__all__ = ["FixedFile", "fixed_files"]


def fixed_files(
    report: Report, config: Config, *, unsafe: bool, text: bytes | None = None
) -> Iterator[FixedFile]:
    """Yield each file that fixes would change, before writing.

    Args:
        report: the findings in the files.
        config: the configuration of the run.
        unsafe: whether to apply unsafe fixes as well.
        text: the content that was checked in place of the one file's.
    """
    paths = dict.fromkeys(
        finding.path
        for finding in report.findings
        if finding.fix is not None and (unsafe or finding.fix.safe)
    )
    for path in filter(None, paths):
        # Each on its own, as another file may have been rewritten in between.
        check = Linter(config).check_bytes
        if text is None:
            fixed = fix_file(Path(path), check, unsafe=unsafe)
        else:
            fixed = fix_data(Path(path), text, check, unsafe=unsafe)
        if fixed is not None:
            yield fixed
