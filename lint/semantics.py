"""The meaning of `training` in each version of Keras.

Keras 3 and Keras 2 differ: in Keras 3 a model's trainer passes `training` only if the
signature of `call` has it, and a value that was passed explicitly reaches later layers;
in Keras 2 and tf_keras the phase is global and forgiving. `tests/lint/every_keras.py`
has a proof of every row of `MEANINGS`, and runs it on several versions of Keras.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, ...]

CURRENT: Version = (3, 15)
"""The version of Keras that is assumed if there is no other information."""


@dataclass(frozen=True)
class Meaning:
    """A fact that depends on the version: it is true from `first` until before `end`.

    `end` is the first version in which it is no longer true; None if it still is.
    """

    fact: str
    first: Version
    end: Version | None

    def applies_to(self, version: Version) -> bool:
        """Whether it is true in that version."""
        return self.first <= version and (self.end is None or version < self.end)


CALL_NEEDS_TRAINING = Meaning(
    "a fitted model's `call` receives the phase only if it takes `training`",
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
    "`Resizing` and `CenterCrop` do the same, though they are not random",
    (3, 6),
    (3, 16),
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
    "a model frozen after `compile`, for use in another, does not learn when fitted",
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
class KerasVersion:
    """The version of Keras that something is written for.

    Attributes:
        version: the version, as far as it is known.
        assumed: whether it is not known, so that the current Keras 3 is assumed.
    """

    version: Version
    assumed: bool = False

    @property
    def legacy(self) -> bool:
        """Keras 2, tf_keras or TensorFlow 1."""
        return self.version < (3,)

    def has(self, meaning: Meaning) -> bool:
        """Whether that fact is true here.

        If only `3` is known, the current Keras 3 is meant.
        """
        version = CURRENT if self.version == (3,) else self.version
        return meaning.applies_to(version)

    @property
    def caveat(self) -> str:
        """The remark that a message adds if the version is only assumed."""
        if not self.assumed:
            return ""
        return (
            " (Keras 3 is assumed, since no version is specified; set --keras-version"
            " or keras-version in [tool.model-lint])"
        )


def parse_version(text: str) -> Version | None:
    """Return `(3, 4)` for `3.4.1`, `(3,)` for `3`; None if there is no version."""
    match = re.match(r"\s*v?(\d+)(?:\.(\d+))?", text)
    if match is None:
        return None
    return tuple(int(part) for part in match.groups() if part is not None)


def keras_of_model(keras_version: str | None) -> KerasVersion:
    """Return the Keras of a saved or live model."""
    version = parse_version(keras_version or "")
    return KerasVersion(version) if version else KerasVersion(CURRENT, assumed=True)
