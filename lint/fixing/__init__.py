"""From findings to fixed files: edits, rounds of linting again, and writing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..linter import Linter
from .fixer import FixedFile, fix_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..config import Config
    from ..run import Report

__all__ = ["FixedFile", "fixed_files"]


def fixed_files(report: Report, config: Config, *, unsafe: bool) -> Iterator[FixedFile]:
    """Each file that fixes would change, one after the other, nothing written yet.

    Args:
        report: what was found in the files.
        config: that of the run.
        unsafe: whether to apply fixes that are not safe.
    """
    paths = dict.fromkeys(
        each.path
        for each in report.findings
        if each.fix is not None and (unsafe or each.fix.safe)
    )
    for path in filter(None, paths):
        # Each on its own, as another file may have been rewritten in between.
        fixed = fix_file(Path(path), Linter(config).check_bytes, unsafe=unsafe)
        if fixed is not None:
            yield fixed
