"""What `training` means in which Keras, and which Keras a piece of code is for.

Two worlds: in Keras 3 a model's trainer passes `training` only where the signature of
`call` has it, and what was passed explicitly is handed on to later layers; in Keras 2
and tf_keras the phase is global and forgiving. `tests/lint/every_keras.py` holds a
proof of every row of `MEANINGS` and runs it on several versions of Keras.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Version = tuple[int, ...]

CURRENT: Version = (3, 15)
"""The Keras that is assumed where nothing tells."""


@dataclass(frozen=True)
class Meaning:
    """One thing that depends on the version: it holds from `first` until `end`.

    `end` is the first version where it no longer holds; None if it still does.
    """

    what: str
    first: Version
    end: Version | None

    def holds_in(self, version: Version) -> bool:
        """Whether it holds in that version."""
        return self.first <= version and (self.end is None or version < self.end)


CALL_NEEDS_TRAINING = Meaning(
    "a fitted model's `call` is told the phase only if it takes `training`",
    (3,),
    None,
)
NONE_IS_INFERENCE = Meaning(
    "an explicit `training=None` inside `call` means inference", (3, 10), None
)
FLAG_LEAKS = Meaning(
    "a flag given to one layer in `call` reaches those called after it", (3,), None
)
FUNCTIONAL_FLAG_IS_OVERRIDDEN = Meaning(
    "fit and predict override the flag of a call in a Functional graph",
    (3,),
    (3, 16),
)
AUGMENTATION_LEAKS = Meaning(
    "random augmentation in a plain `model(x)` puts later layers in training mode",
    (3,),
    (3, 16),
)
RESIZING_LEAKS = Meaning(
    "so do `Resizing` and `CenterCrop`, which are not random", (3, 6), (3, 16)
)
FIT_ON_JAX_BYPASSES_CALLING = Meaning(
    "on JAX, `fit` runs a model's `call` by itself, and no layer in it inherits a flag",
    (3,),
    None,
)
FREEZING_NEEDS_COMPILE = Meaning(
    "`trainable` changed after `compile` has no effect, even before the first `fit`",
    (2,),
    (3,),
)
FREEZING_PRECEDES_TRAINING = Meaning(
    "a model frozen after `compile`, for one around it, learns nothing by itself",
    (3,),
    None,
)
MEANINGS = (
    CALL_NEEDS_TRAINING,
    NONE_IS_INFERENCE,
    FLAG_LEAKS,
    FUNCTIONAL_FLAG_IS_OVERRIDDEN,
    AUGMENTATION_LEAKS,
    RESIZING_LEAKS,
    FIT_ON_JAX_BYPASSES_CALLING,
    FREEZING_NEEDS_COMPILE,
    FREEZING_PRECEDES_TRAINING,
)


@dataclass(frozen=True)
class World:
    """The Keras that something is written for.

    Attributes:
        version: as much of the version as is known.
        assumed: whether nothing told, so that the current Keras 3 is assumed.
    """

    version: Version
    assumed: bool = False

    @property
    def legacy(self) -> bool:
        """Keras 2, tf_keras or TensorFlow 1."""
        return self.version < (3,)

    def has(self, meaning: Meaning) -> bool:
        """Whether that meaning holds here.

        Where only `3` is known, today's Keras 3 is meant.
        """
        version = CURRENT if self.version == (3,) else self.version
        return meaning.holds_in(version)

    @property
    def caveat(self) -> str:
        """What a message adds where the version is only assumed."""
        if not self.assumed:
            return ""
        return (
            " (Keras 3 is assumed, since nothing here tells; set --keras-version or"
            " keras-version in [tool.model-lint])"
        )


@dataclass(frozen=True)
class Requirements:
    """Which Keras a project asks for; None where it does not say."""

    keras: Version | None = None


def parse_version(text: str) -> Version | None:
    """`(3, 4)` of `3.4.1`, `(3,)` of `3`; None if there is no version in it."""
    match = re.match(r"\s*v?(\d+)(?:\.(\d+))?", text)
    if match is None:
        return None
    return tuple(int(part) for part in match.groups() if part is not None)


def world_of_model(keras_version: str | None) -> World:
    """The world of a saved or live model."""
    version = parse_version(keras_version or "")
    return World(version) if version else World(CURRENT, assumed=True)


def world_of(keras_version: str | None, text: str, requirements: Requirements) -> World:
    """The world of a source: what the user says, its own imports, its project."""
    named = parse_version(keras_version or "")
    if named is not None:
        return World(named)
    if _LEGACY.search(text):
        return World((2,))
    if _KERAS_3.search(text):
        asked = requirements.keras
        return World(asked if asked and asked >= (3,) else (3,))
    if requirements.keras is not None:
        return World(requirements.keras)
    return World(CURRENT, assumed=True)


def backend_of(text: str) -> str | None:
    """The backend that a source runs Keras 3 on, where it says so.

    It says so by choosing one; or by importing JAX and neither of the others, which
    the default would need.
    """
    chosen = {match["backend"] for match in _BACKEND.finditer(text)}
    if chosen:
        return chosen.pop() if len(chosen) == 1 else None
    imported = {match["name"] for match in _FRAMEWORK.finditer(text)}
    return "jax" if imported == {"jax"} else None


_BACKEND = re.compile(
    r"""^[^#\n]*(?:\bKERAS_BACKEND["'\]]*\)?[ \t]*[,=]|\bset_backend\()[ \t]*
    ["'](?P<backend>\w+)["']""",
    re.MULTILINE | re.VERBOSE,
)
_FRAMEWORK = re.compile(
    r"^[ \t]*(?:import|from)[ \t]+(?P<name>jax|tensorflow|torch)\b", re.MULTILINE
)

# What exists only in Keras 2, tf_keras or TensorFlow 1.
_LEGACY = re.compile(
    r"""^[ \t]*(?:import[ \t][^\n#]*\b|from[ \t]+)tf_keras\b
    |TF_USE_LEGACY_KERAS["'\]]*\)?[ \t]*[,=][ \t]*["'](?:1|[Tt]rue)
    |\b(?:tf|tensorflow)\.(?:compat\.v1\.)?(?:contrib\b|layers\.)
    |^[ \t]*from[ \t]+tensorflow\.(?:contrib|layers)\b
    |^[ \t]*(?:import|from)[ \t]+(?:tf_slim\b|tensorflow\.contrib\b)
    |\btf\.(?:compat\.v1\.)?(?:placeholder|Session|get_variable)\(
    |\b(?:fit|evaluate|predict)_generator\(|\bpredict_classes\(|\bmulti_gpu_model\b
    |learning_phase\(|\b(?:K|backend)\.set_session\(|\bSyncBatchNormalization\b
    |\bkeras\.(?:layers\.|mixed_precision\.|utils\.)?experimental\b
    |\bkeras\.optimizers\.legacy\b|^[ \t]*from[ \t]+tensorflow\.python\.keras\b
    |\b(?:Adam|Adamax|Adagrad|Adadelta|Nadam|RMSprop|SGD)\(\s*lr\s*=
    |^[ \t]*from[ \t]+(?:tensorflow\.(?:python\.)?)?keras\.
        (?:engine|layers\.(?:normalization|convolutional|core|merge|pooling
            |advanced_activations)|utils\.np_utils|layers\.experimental)\b
    """,
    re.MULTILINE | re.VERBOSE,
)
# What exists only in Keras 3.
_KERAS_3 = re.compile(
    r"""\bkeras\.(?:ops|random|tree|distribution|StatelessScope)\b
    |\bKERAS_BACKEND\b|\bstateless_call\(
    |^[ \t]*from[ \t]+keras(?:\.src)?[ \t]+import\b[^\n]*\b(?:ops|random)\b
    |^[ \t]*(?:import|from)[ \t]+(?:kerasbn|keras_hub)\b
    """,
    re.MULTILINE | re.VERBOSE,
)

_EXACT = ("==", "===", "~=")
_NAMED = re.compile(
    r"""(?:^|["'\s])(?P<name>tf[-_]keras|keras|tensorflow)(?:\[[^\]]*\])?[ \t]*
    (?P<bound>===|==|~=|>=|<=|<|>|\^)[ \t]*(?P<version>\d+(?:\.\d+)?)""",
    re.VERBOSE | re.MULTILINE,
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
    declared += [_text(path) for path in sorted(root.glob("requirements*.txt"))[:20]]
    found = {_asked(match) for text in declared for match in _NAMED.finditer(text)}
    found.discard(None)
    # Where two files disagree, nothing is known.
    return Requirements(found.pop()) if len(found) == 1 else Requirements()


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
    """What a table holds under these names, one inside the other."""
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _asked(match: re.Match[str]) -> Version | None:
    """The Keras that a requirement leads to, if it leads to one."""
    version = parse_version(match["version"]) or ()
    bound, name = match["bound"], match["name"].replace("_", "-")
    if name == "tf-keras":
        return None  # installed beside either world
    if name == "tensorflow":
        # TensorFlow up to 2.15 brought Keras 2, later ones bring Keras 3.
        first_with_keras_3 = (2, 16)
        if bound in (*_EXACT, ">=") and version >= first_with_keras_3:
            return (3,)
        upper = bound == "<" and version == first_with_keras_3
        below = bound in (*_EXACT, "<", "<=") and version < first_with_keras_3
        return (2,) if upper or below else None
    if bound in _EXACT:
        return version
    if bound in ("<", "<=") and version <= (3,):
        return (2,)
    return (3,) if bound in (">=", ">", "^") and version >= (3,) else None


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[:20_000_000].decode(errors="replace")
    except OSError:
        return ""
