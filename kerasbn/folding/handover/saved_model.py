"""Running of a SavedModel with TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def run(path: Path, inputs: Mapping[str, Any], structure: Any) -> list[Any]:
    """Return the outputs of its endpoint `serve`; see `Format.run`."""
    tensors = tf.nest.map_structure(tf.constant, structure)
    model = tf.saved_model.load(str(path))  # It owns the variables of `serve`.
    outputs = model.serve(tensors)
    return [leaf.numpy() for leaf in tf.nest.flatten(outputs)]
