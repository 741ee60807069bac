"""Models of Keras 2 and tf_keras, translated to Keras 3 without either.

Most trained Keras models are such files, and Keras 3 cannot load many of them. Their
configuration is sufficient if every layer is one of Keras' own.
"""

from kerasbn.graph.keras2.differences import differences, turned_around
from kerasbn.graph.keras2.translation import (
    Translation,
    UntranslatableError,
    translate,
)

__all__ = [
    "Translation",
    "UntranslatableError",
    "differences",
    "translate",
    "turned_around",
]
