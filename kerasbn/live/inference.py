"""Runs of live models on random inputs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasbn.comparing import random_inputs
from kerasbn.live.opening import at_inference, first_line, symbolic_inputs

_SEED = 1502_03167


def random_inputs_of(model: Any) -> Any:
    """Return random inputs for a built model.

    Raises:
        CannotOpenError: if the shapes of its inputs are not known.
        ValueError: if an input is absurdly large.
    """
    return random_inputs(symbolic_inputs(model), np.random.default_rng(_SEED))


def outputs(model: Any, inputs: Any) -> Any:
    """Return the outputs of a model at inference, for and as arrays.

    Its variables, such as the states of an RNN, are not changed.
    """
    # Keras accepts several inputs as tensors or as arrays, but not mixed.
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    with keras.StatelessScope():
        results = model(tensors, **at_inference(model))
    return keras.tree.map_structure(keras.ops.convert_to_numpy, results)


def check_runs(new: Any, model: Any) -> None:
    """Run a model once that was made from another.

    Raises:
        ValueError: if it cannot be run though the other can.
    """
    try:
        inputs = random_inputs_of(model)
        outputs(model, inputs)
    except Exception:  # Its inputs cannot be guessed.
        return
    try:
        outputs(new, inputs)
    except Exception as error:
        raise ValueError(
            f"The new model cannot be run: {first_line(error)}. Received: "
            f"{type(model).__name__} {model.name!r}. Please report this model."
        ) from error
