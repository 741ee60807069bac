"""Combine the running statistics of replicas that each trained on their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasbn.layer import BatchNormalization
from kerasbn.replicas import running

if TYPE_CHECKING:
    import keras


def combine_replicas(model: keras.layers.Layer) -> None:
    """Give every replica the running statistics of all replicas.

    A `BatchNormalization` with `synchronized=False` moves its running statistics in
    each replica on its own. This replaces them by those of all replicas together, with
    weights `w` that are 1 or, with `zero_debias` or `momentum=None`, the weight that a
    replica has collected:

        W = sum(w)    moving_mean = sum(w * mean_i) / W
        moving_variance = sum(w * (variance_i + (mean_i - moving_mean)^2)) / W

    Call it before running statistics are saved or used for inference. With several
    processes, call it in all of them, also when only one then saves: the
    processes wait for each other. Layers with `synchronized=True` have nothing to
    combine, nor has a model with one replica.

    - TensorFlow: in the process or processes of a `tf.distribute` strategy, outside
      of `strategy.run`. Saving as `.keras` or `.weights.h5` does the same to what is
      saved; checkpoints, `get_weights()`, legacy `.h5` and exported models without it
      hold the mean of all replicas' means and that of their variances.
    - PyTorch: with the default group of `torch.distributed`. Without it, each process
      saves its own statistics.
    - JAX: statistics are those of all devices already.

    Args:
        model: A model or layer; kerasbn layers at any depth in it are combined.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, BatchNormalization) and layer.built:
            for variable, value in running.combined(layer):
                variable.assign(value)
