"""Detection of batch normalization pitfalls in Keras models and in their source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .findings import Finding, Location, Severity

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from .diagnosis import diagnose
    from .watching import Watch, WatchWarning, watch

__all__ = [
    "Finding",
    "Location",
    "Severity",
    "UsageError",
    "Watch",
    "WatchWarning",
    "check",
    "check_text",
    "diagnose",
    "watch",
]
_WATCHING = ("Watch", "WatchWarning", "watch")


def check(
    target: Any,
    select: str | Iterable[str] | None = None,
    ignore: str | Iterable[str] | None = None,
    *,
    keras_version: str | None = None,
) -> list[Finding]:
    """Check a target against the rules, as `model-lint` does.

    `[tool.model-lint]` in the target's `pyproject.toml` applies here, too. A target
    that cannot be read is itself reported as a finding, BN001 or BN003.

    Args:
        target: a file or folder, `"package.module:name"` of a model or of a function
            that returns one (this imports the module), or a Keras model.
        select: codes, names or code prefixes of the rules to apply, as a list or
            separated by commas; the rules that are on by default if None.
        ignore: likewise, rules to leave out.
        keras_version: the version that the source is written for, such as `"3.15"`.

    Returns:
        The findings, sorted by file, place and code.

    Raises:
        UsageError: (a ValueError) if a selector or a setting is invalid, or the target
            is of another kind or is code that cannot be imported.
    """
    from .config import config_for
    from .run import run

    config = config_for([target]).override(
        select=_words(select), ignore=_words(ignore), keras_version=keras_version
    )
    return list(run([target], config).findings)


def check_text(
    text: str | bytes,
    path: str | os.PathLike[str] = "text.py",
    select: str | Iterable[str] | None = None,
    ignore: str | Iterable[str] | None = None,
    *,
    keras_version: str | None = None,
) -> list[Finding]:
    """Check source that is not, or not in this form, in a file.

    Args:
        text: Python source, or the JSON of a notebook.
        path: the file that the source belongs to, which need not exist; a name that
            ends in `.ipynb` means a notebook. Imports are looked up, and settings and
            their patterns apply, as if the source were there.
        select: as in `check`.
        ignore: as in `check`.
        keras_version: as in `check`.

    Returns:
        The findings, sorted by place and code; BN001 if it is not valid source.

    Raises:
        UsageError: (a ValueError) if a selector or a setting is invalid.
    """
    from .config import config_for
    from .run import run_text

    file = Path(path)
    config = config_for([file.parent]).override(
        select=_words(select), ignore=_words(ignore), keras_version=keras_version
    )
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return list(run_text(file, data, config).findings)


def __getattr__(name: str) -> Any:
    """Import what needs Keras or NumPy on first use."""
    if name == "diagnose":
        from .diagnosis import diagnose

        return diagnose
    if name in _WATCHING:
        from . import watching

        return getattr(watching, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _words(value: str | Iterable[str] | None) -> list[str] | None:
    if isinstance(value, str):
        return [word.strip() for word in value.split(",")]
    return None if value is None else list(value)
