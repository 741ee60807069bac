"""What the scripts have in common: batches, their parts, and what is compared.

Two replicas, or processes, each get a part of a batch. Outputs, gradients and
running statistics must be those of one device on the whole batch.
"""

import dataclasses
import itertools
from typing import Any

import numpy as np

STEPS = 2
SHAPE = (12, 4, 3)

LAYERS = [
    {},
    {"axis": [1, 2], "zero_debias": True},
    {"axis": 1, "momentum": None},
    {"axis": -1, "zero_debias": True, "renorm": True, "renorm_momentum": 0.5},
]
# Where the second part begins, at 12 it is empty, and what is masked.
PARTS = [(8, "none"), (8, "some"), (8, "second part"), (12, "none"), (12, "some")]


@dataclasses.dataclass
class Case:
    layer: dict[str, Any]
    split: int
    mask_kind: str
    offset: float = 0

    def batch(self, step):
        """One whole batch, as `Batch`."""
        rng = np.random.default_rng(step)
        mean = self.offset + rng.normal(5, 3, (SHAPE[0], 1, 1))  # The parts differ.
        x = rng.normal(mean, 2, SHAPE).astype("float32")
        mask = rng.random(SHAPE[:-1]) < 0.6
        mask[: self.split, 0] = True  # Something counts, for every kept index.
        mask[: self.split, 3] = step > 0  # This index is not counted at first.
        if self.mask_kind == "second part":
            mask[self.split :] = False
        upstream = rng.normal(size=SHAPE).astype("float32")
        return Batch(x, None if self.mask_kind == "none" else mask, upstream)

    def batches(self):
        return [self.batch(step) for step in range(STEPS)]

    def parts(self, replica):
        """This replica's part of each batch."""
        part = slice(0, self.split) if replica == 0 else slice(self.split, None)
        return [batch[part] for batch in self.batches()]


@dataclasses.dataclass
class Batch:
    """Inputs, mask and the gradient of the loss by the outputs."""

    x: np.ndarray
    mask: np.ndarray | None
    upstream: np.ndarray

    def __getitem__(self, part):
        mask = None if self.mask is None else self.mask[part]
        return Batch(self.x[part], mask, self.upstream[part])


CASES = [Case(layer, *part) for layer, part in itertools.product(LAYERS, PARTS)]
CASES += [Case({}, 8, "some", offset=1000)]


def check(case, actual, expected, what):
    tolerance = 5e-4 if case.offset else 2e-5  # At 1000, float32 has steps of 6e-5.
    np.testing.assert_allclose(
        actual, expected, rtol=tolerance, atol=tolerance, err_msg=f"{what} of {case}"
    )


def check_step(case, parts, whole):
    """Compare `(y, by x, by gamma, by beta)` of all parts with those of the whole."""
    for name, index in {"outputs": 0, "gradient by x": 1}.items():
        together = np.concatenate([part[index] for part in parts])
        check(case, together, whole[index], name)
    for name, index in {"gradient by gamma": 2, "gradient by beta": 3}.items():
        check(case, sum(part[index] for part in parts), whole[index], name)


def total_variance(means, variances, weights):
    """Mean and variance of several groups together, in float64."""
    means, variances = np.asarray(means, "float64"), np.asarray(variances, "float64")
    mean = np.average(means, 0, weights)
    return mean, np.average(variances + (means - mean) ** 2, 0, weights)
