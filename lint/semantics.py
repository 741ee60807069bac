"""What `training` means in which Keras.

Two worlds: in Keras 3 a model's trainer passes `training` only where the signature of
`call` has it, and what was passed explicitly is handed on to later layers; in Keras 2
and tf_keras the phase is global and forgiving. `tests/lint/every_keras.py` holds a
proof of every row of `MEANINGS` and runs it on several versions of Keras.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
