"""EinsumDense as an absorber: its equation defines the axes.

In `abc,cde->abde` the kernel `cde` leads from the input axis `c` to the output axes
`d` and `e`. A bias has the axes that `bias_axes` names, and size 1 along the other
output axes after the first of them (`keras.layers.EinsumDense`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kerasbn.folding.absorb.base import Absorber
from kerasbn.folding.affine import along

if TYPE_CHECKING:
    from kerasbn.folding.absorb.base import Config, Side
    from kerasbn.folding.affine import Affine, Float64
    from kerasbn.folding.wide import Wide


class _Labels(NamedTuple):
    """The labels of the axes, without a leading `...`."""

    input: str
    kernel: str
    output: str

    @classmethod
    def of(cls, config: Config) -> _Labels:
        operands, output = str(config["equation"]).replace(" ", "").split("->")
        inputs, kernel = operands.split(",")
        return cls(inputs.removeprefix("..."), kernel, output.removeprefix("..."))


class Einsum(Absorber):
    """`keras.layers.EinsumDense`."""

    def own_axes(self, config: Config, side: Side) -> tuple[int, ...]:
        """The axes whose label the kernel shares, counted from the end.

        There are none if they end in an ellipsis (`x...,xy->y...`), because their
        distance from the end is then not known.
        """
        return _own_axes(config, side)

    def has_bias(self, config: Config) -> bool:
        """Whether a layer of that configuration has a bias."""
        return bool(config.get("bias_axes"))

    def unevenness(self, config: Config) -> str | None:
        """A sum over an axis without weights, which makes its size count."""
        labels = _Labels.of(config)
        if set(labels.input) - set(labels.kernel) - set(labels.output):
            return "sums over an axis without weights"
        return None

    def _bias_setting(
        self, config: Config, side: Side, affine: Affine
    ) -> dict[str, Any]:
        return {"bias_axes": _bias_axes(config, side, affine)}

    def _absorbed_bias(
        self,
        config: Config,
        kernels: list[Wide],
        biases: list[Float64],
        side: Side,
        affine: Affine,
    ) -> list[Float64]:
        return _absorbed_bias(config, kernels[0], biases, side, affine)

    def _scale_outputs(
        self, config: Config, kernels: list[Wide], scale: Float64
    ) -> list[Wide]:
        return [kernels[0] * _onto_kernel(config, kernels[0], "output", scale)]

    def _scale_inputs(
        self, config: Config, kernels: list[Wide], scale: Float64
    ) -> list[Wide]:
        return [kernels[0] * _onto_kernel(config, kernels[0], "input", scale)]


def _own_axes(config: Config, side: Side) -> tuple[int, ...]:
    labels = _Labels.of(config)
    own = labels.input if side == "input" else labels.output
    if own.endswith("."):
        return ()
    return tuple(
        place - len(own) for place, label in enumerate(own) if label in labels.kernel
    )


def _response(config: Config, kernel: Wide, shift: Float64) -> Float64:
    """The response to a constant input, over the output axes that the kernel has."""
    labels = _Labels.of(config)
    answers = kernel * _onto_kernel(config, kernel, "input", shift)
    kept = "".join(label for label in labels.output if label in labels.kernel)
    left = "".join(label for label in labels.kernel if label in kept)
    others = [axis for axis, label in enumerate(labels.kernel) if label not in kept]
    return np.einsum(f"{left}->{kept}", answers.sum(others))


def _bias_axes(config: Config, side: Side, affine: Affine) -> str | None:
    """The labels of the bias after absorbing; None if there is none."""
    labels, present = _Labels.of(config), config.get("bias_axes")
    if not affine.has_shift and (side == "input" or not present):
        return present
    added = affine.axes if side == "output" else _own_axes(config, "output")
    covered = {*(labels.output[axis] for axis in added), *(present or "")}
    own = [label for label in labels.output if label in labels.kernel]
    covered = covered or {own[-1]}  # A single number fits a bias along any axis.
    return "".join(label for label in labels.output if label in covered)


def _absorbed_bias(
    config: Config, kernel: Wide, biases: list[Float64], side: Side, affine: Affine
) -> list[Float64]:
    """The bias after absorbing, with the axes of `bias_axes`; empty if it has none."""
    names = _bias_axes(config, side, affine)
    if not names:
        return []
    labels = _Labels.of(config)
    onto = labels.output[labels.output.index(names[0]) :]
    shape = [_size(label, labels, kernel, biases, config) for label in onto]
    shape = [
        size if label in names else 1 for size, label in zip(shape, onto, strict=True)
    ]
    bias = _aligned(biases[0], len(onto)) if biases else np.zeros(())
    if side == "output":
        scale = _aligned(affine.scale, len(onto))
        return [
            np.broadcast_to(bias * scale + _aligned(affine.shift, len(onto)), shape)
        ]
    if affine.has_shift:
        kept = "".join(label for label in labels.output if label in labels.kernel)
        answer = _response(config, kernel, affine.shift)
        sizes = dict(zip(kept, answer.shape, strict=True))
        bias = bias + answer.reshape([sizes.get(label, 1) for label in onto])
    return [np.broadcast_to(bias, shape)]


def _onto_kernel(config: Config, kernel: Wide, side: Side, values: Float64) -> Float64:
    """Values along the own axes of one side, broadcastable to the kernel."""
    labels = _Labels.of(config)
    axes = _own_axes(config, side)
    names = "".join(getattr(labels, side)[axis] for axis in axes)
    sizes = [kernel.shape[labels.kernel.index(name)] for name in names]
    order = sorted(
        range(len(names)), key=lambda place: labels.kernel.index(names[place])
    )
    shape = [
        size if name in names else 1
        for name, size in zip(labels.kernel, kernel.shape, strict=True)
    ]
    return along(values, axes, sizes).transpose(order).reshape(shape)


def _size(
    label: str,
    labels: _Labels,
    kernel: Wide,
    biases: list[Float64],
    config: Config,
) -> int:
    """The size of an output axis; 1 if neither kernel nor bias has it."""
    if label in labels.kernel:
        return kernel.shape[labels.kernel.index(label)]
    present = config.get("bias_axes") or ""
    if biases and label in present:
        from_end = labels.output.index(label) - len(labels.output)
        return biases[0].shape[from_end]
    return 1


def _aligned(values: Float64, rank: int) -> Float64:
    """The last `rank` axes; those before must have size 1 or be absent."""
    if values.ndim > rank:
        return values.reshape(values.shape[-rank:])
    return values.reshape((1,) * (rank - values.ndim) + values.shape)
