"""A request to `model-lint`, apart from the settings."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..reporters import DEFAULT

STDIN = "-"


@dataclass(frozen=True)
class Request:
    """The targets and the actions; each attribute is named after its option."""

    targets: tuple[str, ...]
    stdin_filename: Path | None
    output_format: str
    output_file: Path | None
    statistics: bool
    show_settings: bool
    show_files: bool
    fix: bool
    diff: bool
    unsafe_fixes: bool
    add_noqa: bool
    write_baseline: Path | None
    exit_zero: bool
    exit_non_zero_on_fix: bool

    @property
    def is_text(self) -> bool:
        """Whether the standard input is checked."""
        return STDIN in self.targets

    @property
    def path_of_text(self) -> Path:
        """The file name to assume for the standard input."""
        return self.stdin_filename or Path(STDIN)

    def text(self) -> bytes | None:
        """Read the standard input, if it is checked.

        Raises:
            UsageError: if it is closed.
        """
        if not self.is_text:
            return None
        if sys.stdin is None:
            raise UsageError(
                "The standard input is closed. Received: -. Name a file instead."
            )
        return sys.stdin.buffer.read()

    def check(self) -> None:
        """Refuse options that cannot be combined.

        Raises:
            UsageError: if there are such.
        """
        if self.diff and (self.statistics or self.output_format != DEFAULT):
            raise UsageError(
                "--diff prints a diff instead of a report. Received: --diff with "
                "--statistics or --output-format. Leave one of them out."
            )
        keeping = [
            name
            for name, given in (
                ("--add-noqa", self.add_noqa),
                ("--write-baseline", self.write_baseline is not None),
            )
            if given
        ]
        if len(keeping) > 1 or (keeping and (self.fix or self.diff)):
            others = " or ".join(keeping[1:]) or "--fix or --diff"
            raise UsageError(
                f"{keeping[0]} keeps the current findings. Received: {keeping[0]} with "
                f"{others}. Fix first, then run model-lint again."
            )
        if keeping and self.is_text:
            raise UsageError(
                f"{keeping[0]} needs a file. Received: - for the standard input. Name "
                "the file instead."
            )
        if self.is_text and len(self.targets) > 1:
            raise UsageError(
                "- stands for the standard input, and must be the only target. "
                f"Received: {' '.join(self.targets)}."
            )
        if self.stdin_filename is not None and not self.is_text:
            raise UsageError(
                "--stdin-filename names the file for the text on the standard input. "
                f"Received: {self.stdin_filename} without the target -. Add the target "
                "-."
            )
