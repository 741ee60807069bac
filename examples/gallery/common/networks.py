"""Networks with and without batch normalization, for images of ten classes."""

from __future__ import annotations

import kerasbn

from .backend import keras, layers


def dense(
    shape: tuple[int, ...],
    widths: list[int],
    *,
    activation: str = "relu",
    norm: str | None = "before",
    spread: float | None = None,
    **options,
) -> keras.Model:
    """Build a network of Dense layers for ten classes.

    Args:
        shape: of one sample.
        widths: of the hidden layers.
        activation: of the hidden layers.
        norm: where their batch normalization is: "before" the activation, "after" it,
            or None.
        spread: how many times as large as usual the initial weights are.
        options: of the batch normalization.
    """
    x = inputs = keras.Input(shape)
    if len(shape) > 1:
        x = layers.Flatten()(x)
    for number, width in enumerate(widths, 1):
        scale = 1 if spread is None else spread**2
        start = keras.initializers.VarianceScaling(scale, "fan_avg", "uniform")
        x = layers.Dense(
            width,
            use_bias=norm != "before",
            kernel_initializer=start,
            name=f"dense{number}",
        )(x)
        if norm == "before":
            x = kerasbn.BatchNormalization(name=f"bn{number}", **options)(x)
        x = layers.Activation(activation, name=f"act{number}")(x)
        if norm == "after":
            x = kerasbn.BatchNormalization(name=f"bn{number}", **options)(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="out")(x))


def convolutional(
    filters: list[int],
    *,
    side: int = 8,
    activation: str = "relu",
    norm: str | None = "before",
    after_activation=None,
    **options,
) -> keras.Model:
    """Build a network of 3 x 3 convolutions for ten classes; each halves the image.

    Args:
        filters: of the convolutions.
        side: of the images.
        activation: behind each of them.
        norm: as in `dense`.
        after_activation: makes one more layer to stand behind each activation.
        options: of all layers with weights, such as `kernel_regularizer`.
    """
    x = inputs = keras.Input((side, side))
    x = layers.Reshape((side, side, 1))(x)
    for number, count in enumerate(filters, 1):
        x = layers.Conv2D(
            count,
            3,
            strides=2,
            padding="same",
            use_bias=norm != "before",
            name=f"conv{number}",
            **options,
        )(x)
        if norm == "before":
            x = kerasbn.BatchNormalization(momentum=0.9, name=f"bn{number}")(x)
        x = layers.Activation(activation, name=f"act{number}")(x)
        if norm == "after":
            x = kerasbn.BatchNormalization(momentum=0.9, name=f"bn{number}")(x)
        if after_activation is not None:
            x = after_activation()(x)
    x = layers.Flatten()(x)
    out = layers.Dense(10, activation="softmax", name="out", **options)(x)
    return keras.Model(inputs, out)
