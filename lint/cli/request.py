"""What is asked of `model-lint`, beside the settings."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..reporters import DEFAULT

STDIN = "-"


@dataclass(frozen=True)
class Request:
    """The targets, and what is to be done; each attribute is named as its option."""

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
        """Where the standard input is to be."""
        return self.stdin_filename or Path(STDIN)

    def text(self) -> bytes | None:
        """The standard input, if it is checked.

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
        """Refuse what does not go together.

        Raises:
            UsageError: if something does not.
        """
        if self.diff and (self.statistics or self.output_format != DEFAULT):
            raise UsageError(
                "--diff prints a diff and no report. Received: it, and --statistics or "
                "--output-format. Leave one of them out."
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
                f"{keeping[0]} keeps what is found as it is. Received: it, and "
                f"{others}. Fix first, then call model-lint once more."
            )
        if keeping and self.is_text:
            raise UsageError(
                f"{keeping[0]} needs a file. Received: - for the standard input. Name "
                "the file instead."
            )
        if self.is_text and len(self.targets) > 1:
            raise UsageError(
                "- stands for the standard input, and is then the only target. "
                f"Received: {' '.join(self.targets)}."
            )
        if self.stdin_filename is not None and not self.is_text:
            raise UsageError(
                "--stdin-filename says where the standard input is to be. Received: "
                f"{self.stdin_filename}, and no target -. Add the target -."
            )
