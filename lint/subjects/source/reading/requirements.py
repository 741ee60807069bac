"""The Keras that a project requires, by its lock file or its dependencies."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....semantics import parse_version
from .limits import REQUIREMENT_BYTES, REQUIREMENT_FILES
from .regular_files import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ....semantics import Version


@dataclass(frozen=True)
class Requirements:
    """The Keras a project requires; None where it does not say."""

    keras: Version | None = None


# TensorFlow up to 2.15 brought Keras 2, later ones bring Keras 3.
_FIRST_WITH_KERAS_3 = (2, 16)
_EXACT = ("==", "===", "~=", "=")
_NAMED = re.compile(
    r"""(?:^|["'\s])(?P<name>tf[-_]keras|keras|tensorflow)(?:[-_][cg]pu)?
    (?:\[[^\]]*\])?(?:[ \t]*=[ \t]*["'])?[ \t]*
    (?P<bounds>(?:(?:===?|~=|>=|<=|<|>|\^|=|!=)[ \t]*[\d.*]+[ \t,]*)+)""",
    re.VERBOSE | re.MULTILINE,
)
_BOUND = re.compile(
    r"(?P<bound>===|==|~=|>=|<=|!=|<|>|\^|=)[ \t]*(?P<version>\d+(?:\.\d+)?)"
)
# TensorFlow Addons ended before Keras 3, and an image names what it holds.
_ADDONS = re.compile(r"^[ \t\-\"']*tensorflow[-_]addons\b", re.MULTILINE)
_IMAGE = re.compile(
    r"^[ \t]*FROM[ \t]+tensorflow/tensorflow:(?P<version>\d+\.\d+)", re.MULTILINE
)
_LOCKED = re.compile(
    r"""^name[ ]=[ ]"keras"\s+version[ ]=[ ]"(?P<version>[\d.]+)""",
    re.MULTILINE | re.VERBOSE,
)


def read_requirements(root: Path) -> Requirements:
    """Read a project's lock file, or else its dependencies, without trusting them."""
    for name in ("uv.lock", "poetry.lock", "pdm.lock"):
        for match in _LOCKED.finditer(_text(root / name)):
            version = parse_version(match["version"])
            if version:
                return Requirements(version)
    declared = [_declared(_text(root / "pyproject.toml"))]
    declared += [_text(root / name) for name in ("setup.cfg", "setup.py")]
    declared += [
        _text(path)
        for path in sorted(root.glob("requirements*.txt"))[:REQUIREMENT_FILES]
    ]
    declared += [
        _text(path)
        for pattern in ("requirements/*.txt", "environment*.y*ml", "Pipfile")
        for path in sorted(root.glob(pattern))[:REQUIREMENT_FILES]
    ]
    found = {version for text in declared for version in _versions_in(text)}
    found |= set(_of_image(_text(root / "Dockerfile")))
    if len(found) > 1 and all(version < (3,) for version in found):
        found = {(2,)}
    # Where two files disagree, nothing is known.
    return Requirements(found.pop()) if len(found) == 1 else Requirements()


def _versions_in(text: str) -> Iterator[Version]:
    """Yield the Keras that each requirement in a text leads to."""
    for match in _NAMED.finditer(text):
        name = match["name"].replace("_", "-")
        for bound in _BOUND.finditer(match["bounds"]):
            version = _asked(name, bound)
            if version is not None:
                yield version
    if _ADDONS.search(text):
        yield (2,)


def _of_image(text: str) -> Iterator[Version]:
    """Yield the Keras of the image of TensorFlow that a Dockerfile starts from."""
    for match in _IMAGE.finditer(text):
        tensorflow = parse_version(match["version"])
        if tensorflow is not None:
            yield (3,) if tensorflow >= _FIRST_WITH_KERAS_3 else (2,)


def _declared(text: str) -> str:
    """The dependencies in pyproject.toml, one per line."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return ""
    listed = _inside(data, "project", "dependencies")
    lines = listed if isinstance(listed, list) else []
    wanted = _inside(data, "tool", "poetry", "dependencies")
    if isinstance(wanted, dict):
        lines = [*lines, *(f"{name} {wanted[name]}" for name in wanted)]
    return "\n".join(map(str, lines))


def _inside(data: object, *names: str) -> object:
    """Return what a table holds under these names, each inside the one before."""
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _asked(name: str, match: re.Match[str]) -> Version | None:
    """The Keras that one bound of a requirement leads to, if it leads to one."""
    version = parse_version(match["version"]) or ()
    bound = match["bound"]
    if name == "tf-keras":
        return None  # installed beside either Keras
    if name == "tensorflow":
        if bound in (*_EXACT, ">=") and version >= _FIRST_WITH_KERAS_3:
            return (3,)
        upper = bound == "<" and version == _FIRST_WITH_KERAS_3
        below = bound in (*_EXACT, "<", "<=") and version < _FIRST_WITH_KERAS_3
        return (2,) if upper or below else None
    if bound in _EXACT:
        return version
    if bound in ("<", "<=") and version <= (3,):
        return (2,)
    return (3,) if bound in (">=", ">", "^") and version >= (3,) else None


def _text(path: Path) -> str:
    try:
        return read_regular(path, REQUIREMENT_BYTES).decode(errors="replace")
    except OSError:
        return ""
