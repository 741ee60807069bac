"""BN405: batch normalization that inference does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..semantics import keras_of_model
from ..subjects.layers_before import layers_before
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.layers_before import Before
    from ..subjects.model import Model

_CONSTRAINTS = ("kernel_constraint", "depthwise_constraint", "pointwise_constraint")


class BatchNormFoldable(Rule):
    """A model holds batch normalization that `model-fold` would remove.

    ## What it does
    Counts the batch normalization layers that directly follow a dense layer or a
    convolution that can absorb them. Off by default.

    ## Why is this bad
    In inference such a layer only multiplies and adds, which the layer before it can do
    at no cost: folded, the model returns the same output and runs faster. `model-fold`
    proves it.

    ## Limits
    Only for a model that is done with training. `model-fold` may find more; only the
    plain cases are counted here.

    ## References
    - https://arxiv.org/abs/1712.05877 (section 3.2)
    """

    code = "BN405"
    name = "batch-norm-foldable"
    severity = Severity.INFO
    default = False
    bad = """\
import keras

model = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.Dense(3, use_bias=False),
        keras.layers.BatchNormalization(),
    ]
)
"""
    good = """\
import keras

model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
"""
    proof = """\
import kerasbn

healthy = not kerasbn.fold_batch_norm(model).folded
"""

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report how many such layers a model has, if any."""
        if model.graph is None or keras_of_model(model.keras_version).legacy:
            return
        flagged = {
            batch_norm.path
            for batch_norm in model.batch_norms
            if any(batch_norm.training_flags)
        }
        count = sum(layer.is_batch_norm for layer in model.graph.walk())
        found = [
            pair
            for pair in layers_before(model)
            if _is_foldable(pair) and pair.batch_norm.path not in flagged
        ]
        if found:
            yield self.finding(
                f"model-fold would remove at least {len(found)} of {count} batch "
                "normalization layers for inference",
                model.at(None),
            )


def _is_foldable(pair: Before) -> bool:
    """Whether the layer before absorbs the BN layer, whatever is around them."""
    before, after = pair.layer.config, pair.batch_norm.config
    changed = any(before.get(key) for key in (*_CONSTRAINTS, "lora_rank"))
    same_precision = _precision(before) == _precision(after)
    alone = pair.alone and pair.is_linear and bool(pair.on_channels)
    return alone and same_precision and not changed


def _precision(config: object) -> object:
    """The dtype policy's name; None for one that is quantized."""
    dtype = config.get("dtype", "float32") if isinstance(config, dict) else None
    if not isinstance(dtype, dict):
        return dtype
    inner = dtype.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if dtype.get("class_name") == "DTypePolicy" else dtype
