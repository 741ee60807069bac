"""The layer: `keras.layers.BatchNormalization` with more axes and better statistics.

Here are its arguments and configuration; `forward` has its weights and what it
computes from them, `storing` how they are saved and loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from kerasbn.arguments import (
    checked_axis,
    checked_epsilon,
    checked_flag,
    checked_group_size,
    checked_momentum,
)
from kerasbn.kernels.dtypes import at_least_float32
from kerasbn.layer.forward import Normalizing
from kerasbn.layer.storing import Storing
from kerasbn.moving_average import MovingWeight
from kerasbn.renorm import stock_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence


@keras.saving.register_keras_serializable(package="kerasbn")
class BatchNormalization(Normalizing, Storing):
    """Layer that normalizes its inputs, for every axis or set of axes.

    A drop-in replacement for `keras.layers.BatchNormalization`: with the arguments
    of that layer it has the same weights, the same configuration and the same
    results, and the two read each other's weights files.

    **During training** (in `fit()`, or when called with `training=True`) it
    normalizes with the mean and variance of the current batch,

        gamma * (batch - mean(batch)) / sqrt(var(batch) + epsilon) + beta

    and moves its running statistics towards them,

        moving_mean     += rate * (mean(batch) - moving_mean)
        moving_variance += rate * (var(batch) - moving_variance)

    **During inference** (in `evaluate()` and `predict()`, or when called with
    `training=False`, which is the default) it normalizes with the running
    statistics instead. So does a layer with `trainable = False`, and it does not
    move them.

    The `rate` follows from `momentum` and `zero_debias`:

    - `rate = 1 - momentum`: the exponential moving average of stock Keras. It
      starts from the initial values 0 and 1, and `momentum^t` of them is left
      after `t` batches: 82 % after 20 batches with `momentum=0.99`.
    - `rate = (1 - momentum) / (1 - momentum^t)` with `zero_debias=True`: the same
      average without the initial values; the first batch replaces them.
    - `rate = 1 / t` with `momentum=None`: the average of all batches, each with
      the same weight.

    **Axes.** Statistics, `gamma` and `beta` are kept apart along `axis` and taken
    over all other axes; their shape is the input's shape along `axis`, in
    ascending order. `axis=-1` normalizes channels; `axis=[1, 2]` on images of
    shape `(batch, 28, 28)` normalizes every pixel on its own, with weights of
    shape `(28, 28)`.

    **Precision.** Statistics are computed and stored in float32 whatever the dtype
    policy (in float64 if that is float64).

    **Replicas.** With `synchronized=True` batch statistics are taken over all
    replicas. Outputs, gradients and running statistics are then those of one device
    with the whole batch, also with a mask and with parts of unequal size, empty ones
    included. A replica's gradient is that of the sum of all replicas' losses. Replicas
    wait for each other, so all must make the same calls. They are

    - on TensorFlow those of a `tf.distribute` strategy. `fit()` works with
      `MirroredStrategy`; with `MultiWorkerMirroredStrategy` Keras 3.15 cannot run it,
      whatever the layers, but `strategy.run` in a training loop works. TensorFlow
      cannot compile a step of several CPU devices or workers (`jit_compile=True`).
    - on PyTorch the processes of the default group of `torch.distributed`, where it
      is initialized. Gradients are averaged by `DistributedDataParallel` in a
      training loop; Keras' `fit()` does not average them.
    - on JAX the devices of `keras.distribution.DataParallel`. Arrays span all of
      them, so statistics do so too, whatever `synchronized` is.

    With `synchronized=False`, on TensorFlow and PyTorch, each replica normalizes with
    its own batch and moves running statistics of its own, which it also infers with.
    Under a TensorFlow strategy, `.keras` and `.weights.h5` files hold those of all
    replicas together; with several workers all of them must save, each to its own
    path. On PyTorch each process saves its own, unless all call
    `kerasbn.combine_replicas` before.

    **Virtual batches.** With `virtual_batch_size`, training normalizes each group of
    that many consecutive samples, the last of which may be smaller, with statistics of
    its own (ghost batch normalization): as noisy as small batches, which can train
    better than large ones. Running statistics move towards the average of the groups'
    means and variances, each with the weight of its samples; so inference fits
    training, and does not depend on groups.

    **Accumulated gradients.** With `gradient_accumulation_steps` in the optimizer, each
    of the batches whose gradients are added up is normalized with its own statistics,
    and moves the running ones. Statistics of all of them together are not available:
    the first is normalized, and forgotten, before the last is seen. So the gradient is
    not that of one large batch, and a momentum is the share kept per batch, not per
    step: `momentum ** (1 / gradient_accumulation_steps)` averages over as many samples.
    `kerasbn.recalibrate` gives running statistics of all data.

    **Loading.** Statistics that come without the weight they have collected, from
    a layer without `zero_debias` or as a plain list of arrays, count as complete:
    their next rate is `1 - momentum`, or 1/2 with `momentum=None`, where they
    count as one batch. Files in the `.keras` and `.weights.h5` formats and
    TensorFlow checkpoints keep that weight; `get_weights()` and the legacy `.h5`
    format do not.

    Args:
        axis: Integer, or a list or tuple of distinct integers: the axes to keep,
            typically the features axis. Negative ones count from the end.
        momentum: Float in `[0, 1)`, or `None` for the average of all batches.
        epsilon: Positive float added to the variance to avoid dividing by zero.
        center: If `True`, add offset of `beta` to normalized tensor.
            If `False`, `beta` is ignored.
        scale: If `True`, multiply by `gamma`. If `False`, `gamma` is not used.
            When the next layer is linear this can be disabled
            since the scaling will be done by the next layer.
        beta_initializer: Initializer for the beta weight.
        gamma_initializer: Initializer for the gamma weight.
        moving_mean_initializer: Initializer for the moving mean.
        moving_variance_initializer: Initializer for the moving variance.
        beta_regularizer: Optional regularizer for the beta weight.
        gamma_regularizer: Optional regularizer for the gamma weight.
        beta_constraint: Optional constraint for the beta weight.
        gamma_constraint: Optional constraint for the gamma weight.
        renorm: Whether to use Batch Renormalization: training then normalizes
            with running statistics too, `(x * r + d) * gamma + beta`. Needs a
            Keras whose own layer has it.
        renorm_clipping: Dictionary with the optional keys `"rmax"`, `"rmin"` and
            `"dmax"`: `r` is clipped to `[rmin, rmax]` and `d` to `[-dmax, dmax]`.
        renorm_momentum: Momentum of the running statistics that renorm trains
            with. They are not zero-debiased.
        synchronized: Whether to take the batch statistics over all replicas.
        zero_debias: Whether the running statistics leave out their initial
            values. It changes nothing with `momentum=None`.
        virtual_batch_size: Number of samples that are normalized together in
            training, `None` for all of the batch.
        **kwargs: Base layer keyword arguments (e.g. `name` and `dtype`).

    Call arguments:
        inputs: Input tensor of any rank. The axes in `axis` must have static size.
        training: Python boolean, whether to behave in training mode or in
            inference mode.
        mask: Tensor whose shape broadcasts to `inputs.shape[:-1]`, of the same
            number of dimensions: only positions where it is true are counted in
            the batch statistics. Where nothing is counted (a fully masked or an
            empty batch, or a kept index that is masked throughout) the running
            statistics stay as they were and normalize the output.

    Raises:
        ValueError: If an argument is out of its range, if `axis` does not fit the
            input's rank or repeats an axis, if a kept axis has no static size, or
            if `mask` has the wrong number of dimensions.

    Example:
    >>> x = np.random.uniform(0, 255, size=(64, 28, 28)).astype("float32")
    >>> layer = kerasbn.BatchNormalization(axis=[1, 2], zero_debias=True)
    >>> y = layer(x, training=True)
    >>> layer.moving_mean.shape
    (28, 28)

    Reference:

    - [Ioffe and Szegedy, 2015](https://arxiv.org/abs/1502.03167)
    - [Ioffe, 2017](https://arxiv.org/abs/1702.03275), for `renorm`
    - [Hoffer et al., 2017](https://arxiv.org/abs/1705.08741), algorithm 1, for
      `virtual_batch_size`
    - [Kingma and Ba, 2015](https://arxiv.org/abs/1412.6980), section 3, for
      `zero_debias`
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        momentum: float | None = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        *,
        zero_debias: bool = False,
        virtual_batch_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        axis = checked_axis(axis)
        if momentum is not None:
            momentum = checked_momentum("momentum", momentum)
        super().__init__(
            # Stock takes neither several axes nor `momentum=None`: they are set below.
            axis=-1,
            momentum=0.99,
            epsilon=checked_epsilon(epsilon),
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **stock_arguments(renorm, renorm_clipping, renorm_momentum),
            **kwargs,
        )
        self.axis = axis
        self.momentum: Any = momentum
        # Stock takes it on TensorFlow only.
        self.synchronized = checked_flag("synchronized", synchronized)
        self.renorm = renorm  # A Keras without this argument does not set it.
        self.zero_debias = checked_flag("zero_debias", zero_debias)
        self.virtual_batch_size = checked_group_size(virtual_batch_size)
        if self.synchronized and virtual_batch_size is not None:
            raise ValueError(
                "Statistics are those of all replicas or those of a few samples. "
                f"Received: synchronized={synchronized}, "
                f"virtual_batch_size={virtual_batch_size}"
            )
        self._statistics_dtype = at_least_float32(self.variable_dtype)
        self.moving_weight = None
        if zero_debias or momentum is None:
            self.moving_weight = MovingWeight(
                per_replica=not self.synchronized, dtype=self._statistics_dtype
            )

    def get_config(self) -> dict[str, Any]:
        """The configuration; stock can read it when only its options are used."""
        config = super().get_config()
        if not isinstance(self.axis, int):
            # Twice, as Keras drops a list of axes under "axis" from legacy `.h5` files.
            config["axis"] = config["axes"] = list(self.axis)
        if self.zero_debias:
            config["zero_debias"] = True
        if self.virtual_batch_size is not None:
            config["virtual_batch_size"] = self.virtual_batch_size
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BatchNormalization:
        """A layer from a configuration, its own or one of stock."""
        config = dict(config)
        config["axis"] = config.pop("axes", config.get("axis", -1))
        return super().from_config(config)
