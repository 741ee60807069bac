"""EinsumDense as an absorber: which axis is which is told by its equation.

In `abc,cde->abde` the kernel `cde` leads to the output axes `d` and `e`. A bias has
the axes that `bias_axes` names, and size 1 along the other output axes after the
first of them (`keras.layers.EinsumDense`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kerasbn.folding.affine import Affine, Float64


def output_axes(config: Mapping[str, Any]) -> tuple[int, ...]:
    """The output axes whose label the kernel has too, counted from the end.

    There are none if the equation ends in an ellipsis (`x...,xy->y...`), because
    the end of the output is open then.
    """
    kernel, output = _labels(config)
    if output.endswith("."):
        return ()
    return tuple(
        place - len(output) for place, label in enumerate(output) if label in kernel
    )


def scale_kernel(config: Mapping[str, Any], kernel: Float64, affine: Affine) -> Float64:
    """Each axis of the scale multiplies the kernel axis of the same label."""
    labels, output = _labels(config)
    kept = "".join(output[axis] for axis in affine.axes)
    sizes = tuple(kernel.shape[labels.index(label)] for label in kept)
    return kernel * _spread(affine.scale.reshape(sizes), kept, labels)


def bias_axes(config: Mapping[str, Any], axes: tuple[int, ...]) -> str:
    """The labels of a bias that has the present one's axes and `axes`."""
    _, output = _labels(config)
    covered = {*(output[axis] for axis in axes), *(config.get("bias_axes") or "")}
    return "".join(label for label in output if label in covered)


def absorbed_bias(
    config: Mapping[str, Any], bias: Float64 | None, affine: Affine
) -> Float64:
    """The bias after absorbing, of the axes that `bias_axes` says."""
    _, output = _labels(config)
    kept = "".join(output[axis] for axis in affine.axes)
    onto = output[output.index(bias_axes(config, affine.axes)[0]) :]
    scale, shift = _spread(affine.scale, kept, onto), _spread(affine.shift, kept, onto)
    if bias is None:
        return shift
    return bias.reshape((1,) * (len(onto) - bias.ndim) + bias.shape) * scale + shift


def _labels(config: Mapping[str, Any]) -> tuple[str, str]:
    """The labels of the kernel's and of the output's axes, without a leading `...`."""
    inputs, output = str(config["equation"]).replace(" ", "").split("->")
    return inputs.split(",")[1], output.removeprefix("...")


def _spread(values: Float64, labels: str, onto: str) -> Float64:
    """`values`, whose axes have `labels`, broadcastable to axes labelled `onto`."""
    order = sorted(range(values.ndim), key=lambda axis: onto.index(labels[axis]))
    sizes = dict(zip(labels, values.shape, strict=True))
    return values.transpose(order).reshape([sizes.get(name, 1) for name in onto])
