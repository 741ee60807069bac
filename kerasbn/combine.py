"""Combine the running statistics of replicas that were trained separately."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasbn import live
from kerasbn.layer import BatchNormalization

if TYPE_CHECKING:
    import keras


def combine_replicas(model: keras.layers.Layer) -> None:
    """Give every replica the running statistics of all replicas.

    With `synchronized=False` each replica updates running statistics of its own. This
    replaces them with the combined ones. The weights `w` are 1 or, with `zero_debias`
    or `momentum=None`, the weight that each replica has collected:

        W = sum(w)    moving_mean = sum(w * mean_i) / W
        moving_variance = sum(w * (variance_i + (mean_i - moving_mean)^2)) / W

    Call it before running statistics are saved or used for inference. With several
    processes, call it in all of them even if only one then saves: they wait for each
    other. If there is nothing to combine, it changes nothing.

    - TensorFlow: call it outside of `strategy.run`. What is saved as `.keras` or
      `.weights.h5` is combined automatically in the same way. Checkpoints, legacy
      `.h5`, `get_weights()` and exported models are not: without this call they hold
      the means over replicas, in which the variance between replicas is missing.
    - PyTorch: the replicas are the processes of the default group of
      `torch.distributed`. Without this call each process saves its own statistics.
    - JAX: there is nothing to combine; the statistics already cover all devices.

    Args:
        model: A model or layer; kerasbn layers at any depth in it are combined.
    """
    for layer, _ in live.batch_norms_inside(model, include_self=True):
        if isinstance(layer, BatchNormalization) and layer.built:
            for variable, value in layer.combined_statistics():
                variable.assign(value)
