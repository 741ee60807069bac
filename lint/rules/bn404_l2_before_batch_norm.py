"""BN404: weight decay on weights whose scale does not matter."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from ..findings import Severity
from ..subjects import layers_before, source
from ..subjects.linear import is_linear
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.model import Model
    from ..subjects.source import Module

_BY_KIND = {"DepthwiseConv1D": "depthwise", "DepthwiseConv2D": "depthwise"}
_L2 = frozenset({"l2", "L2", "l1_l2", "L1L2"})


class L2BeforeBatchNorm(Rule):
    """A layer with an L2 penalty is followed directly by batch normalization.

    ## What it does
    Reports dense layers and convolutions with an L2 penalty on their kernel, without
    an activation, whose output nothing but batch normalization reads. Off by default.

    ## Why is this bad
    Batch normalization divides by the standard deviation of the output, so the size of
    the kernel makes no difference to the network: the penalty does not regularize, but
    gradually makes the effective learning rate larger.

    ## Limits
    This is often wanted, as a learning rate schedule by other means.

    ## References
    - https://arxiv.org/abs/1706.05350
    """

    code = "BN404"
    name = "l2-before-batch-norm"
    severity = Severity.INFO
    default = False
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)
dense = keras.layers.Dense(
    3, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.1)
)
bn = keras.layers.BatchNormalization()
model = keras.Sequential([keras.Input((4,)), dense, bn])
"""
    good = bad.replace("keras.Input((4,)), dense, bn", "keras.Input((4,)), bn, dense")
    proof = """\
x = np.random.default_rng(0).normal(5, 2, size=(32, 4)).astype("float32")
y = keras.ops.convert_to_numpy(model(x, training=True))
dense.kernel.assign(dense.kernel * 10)
z = keras.ops.convert_to_numpy(model(x, training=True))
healthy = not np.allclose(y, z, atol=0.01)  # The size of the kernel matters.
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every such layer in the module, where it is built."""
        for pair in source.layers_before(module):
            if not (pair.alone and is_linear(pair.kind)):
                continue
            given = source.arguments(module, pair.layer, pair.kind)
            if given is None or given.get("activation") not in (None, "linear"):
                continue
            penalty = given.get(f"{_BY_KIND.get(pair.kind, 'kernel')}_regularizer")
            if _is_l2_in_source(module, penalty):
                yield self.finding(_MESSAGE, module.location(pair.layer))

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report every such layer of the model."""
        for pair in layers_before.layers_before(model):
            config = pair.layer.config
            penalty = config.get(f"{_BY_KIND.get(pair.kind, 'kernel')}_regularizer")
            if pair.alone and pair.is_linear and pair.on_channels and _is_l2(penalty):
                yield self.finding(_MESSAGE, model.at(pair.layer.path))


_MESSAGE = (
    "the batch normalization after it makes the size of the kernel irrelevant: its L2 "
    "penalty only changes the effective learning rate"
)


def _is_l2(penalty: Any) -> bool:
    """Whether a penalty, as Keras writes it, has an L2 part."""
    if isinstance(penalty, str):
        return penalty in _L2
    config = penalty.get("config") if isinstance(penalty, dict) else None
    return isinstance(config, dict) and bool(config.get("l2"))


def _is_l2_in_source(module: Module, penalty: Any) -> bool:
    if not isinstance(penalty, ast.expr):
        return penalty in _L2
    return any(
        name.startswith("keras.regularizers.") and name.rpartition(".")[2] in _L2
        for name in source.library_classes(module, penalty)
    )
