"""BN209: batch normalization that is trained with one sample at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class BatchOfOne(Rule):
    """A network with batch normalization is fitted with one sample per batch.

    ## What it does
    Reports `fit(..., batch_size=1)`, data sets with `.batch(1)`, generators of single
    samples, PyTorch's `DataLoader` without a batch size, classes of data sets that are
    made with `batch_size=1` or give single samples, and `train_on_batch(x[None], ...)`,
    for a network that holds batch normalization: a warning where a layer such as
    `Dense` stands before it, and info where there may be several values per channel, as
    in images. Custom loops over such data sets are reported as well, where they apply
    gradients in the same file, and calls in training mode, under a tape, of one sample.
    A network that is passed in by nothing in sight may be the one that the file has by
    that name; it is info if all that the file builds hold batch normalization.

    ## Why is this bad
    A batch of one value per channel has variance 0: in training the layer outputs its
    beta whatever comes in, and the network learns nothing. Images are each normalized
    by their own statistics in training, and by the average over all in inference. Use
    larger batches, or `LayerNormalization` or `GroupNormalization`.

    ## Limits
    A batch size of 1 that is only the default of a command's option is info.

    ## References
    - https://arxiv.org/abs/1803.08494
    """

    code = "BN209"
    name = "batch-of-one"
    severity = Severity.WARNING
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(5, 2, size=(64, 4)).astype("float32")
model = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.Dense(4, use_bias=False),
        keras.layers.BatchNormalization(),
    ]
)
model.compile("sgd", "mean_squared_error")
size = 1
model.fit(x, x, batch_size=size, epochs=2, verbose=0)
"""
    good = bad.replace("size = 1", "size = 32")
    proof = """\
hidden = model.layers[0](x[:size])
normalized = keras.ops.convert_to_numpy(model.layers[1](hidden, training=True))
beta = keras.ops.convert_to_numpy(model.layers[1].beta)
healthy = bool(np.abs(normalized - beta).max() > 0.1)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every fit with one sample per batch."""
        for found in source.batches_of_one(module):
            yield self.finding(
                "with one sample per batch, batch normalization normalizes each by "
                "itself in training, and a single value per channel to nothing but "
                "beta; use larger batches, or LayerNormalization or GroupNormalization",
                module.location(found.place),
                None if found.is_flat and found.surely else Severity.INFO,
            )
