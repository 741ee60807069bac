"""The weights of the layer, and its forward pass."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops

from kerasbn import kernels, replicas
from kerasbn.arguments import resolved_axes
from kerasbn.kernels import Normalization, Normalized, generic
from kerasbn.kernels.dtypes import at_least_float32, in_dtype, wider
from kerasbn.kernels.groups import normalize_groups
from kerasbn.moving_average import moving_variable
from kerasbn.renorm import RunningMoments, bounded, corrected
from kerasbn.statistics import RunningStatistics, read

Tensor = Any
Shape = tuple[Any, ...]  # int, or None where the size is not known


class Normalizing(keras.layers.BatchNormalization):
    """Part of `kerasbn.BatchNormalization`, which sets the arguments."""

    def build(self, input_shape: Shape) -> None:
        """Create the weights, in stock's order and of the kept shape."""
        self._kept = resolved_axes(self.axis, input_shape)
        shape = tuple(input_shape[axis] for axis in self._kept)
        if None in shape:
            raise ValueError(
                "The axes to keep must have a static size. "
                f"Received: axis={self.axis}, input_shape={input_shape}"
            )

        if self.virtual_batch_size is not None and self._kept[0] == 0:
            raise ValueError(
                "Samples that have statistics of their own are in no virtual batch. "
                f"Received: axis={self.axis}, "
                f"virtual_batch_size={self.virtual_batch_size}"
            )

        def add_statistic(name: str, initializer: Any) -> Any:
            return moving_variable(
                name,
                shape,
                self._statistics_dtype,
                initializer,
                per_replica=not self.synchronized,
            )

        def initial_stddev(shape: Shape, dtype: str | None = None) -> Tensor:
            return ops.sqrt(self.moving_variance_initializer(shape, dtype=dtype))

        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )
        mean, variance = self.moving_mean_initializer, self.moving_variance_initializer
        self.moving_mean = add_statistic("moving_mean", mean)
        self.moving_variance = add_statistic("moving_variance", variance)
        if self.renorm:
            self.moving_stddev = add_statistic("moving_stddev", initial_stddev)
            self.renorm_mean = add_statistic("renorm_mean", mean)
            self.renorm_stddev = add_statistic("renorm_stddev", initial_stddev)
            self._running_moments = RunningMoments()
        if self.moving_weight is not None:
            # A mask spans all axes but the last, so it can count some indices of
            # the others and not the rest: each of those has its own weight.
            last = len(input_shape) - 1
            sizes = zip(self._kept, shape, strict=True)
            self.moving_weight.build(tuple(1 if a == last else n for a, n in sizes))
        self._statistics = RunningStatistics.from_layer(self)
        self.input_spec = keras.InputSpec(
            ndim=len(input_shape),
            axes=dict(zip(self._kept, shape, strict=True)),
        )

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Normalize `inputs`; in training mode, also move the running statistics."""
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                "The mask must have one dimension less than the inputs. "
                f"Received: mask.shape={mask.shape}, inputs.shape={inputs.shape}"
            )
        dtype = self.compute_dtype
        x = in_dtype(inputs, wider(inputs.dtype, dtype))
        if training and self.trainable:
            y = self._normalize_batch(x, mask)
        else:
            y = self._normalize(x)
        return in_dtype(y, dtype)

    def _normalize(self, x: Tensor) -> Tensor:
        """Normalize with the running statistics."""
        dtype = at_least_float32(x.dtype)
        moments = self._statistics.values(dtype)
        return kernels.active.normalize(x, *moments, self._how(dtype))

    def _how(self, dtype: str) -> Normalization:
        return Normalization(
            self._kept,
            self.epsilon,
            read(self.gamma, dtype) if self.scale else None,
            read(self.beta, dtype) if self.center else None,
        )

    def _normalize_batch(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Normalize with the statistics of the batch, and move the running ones."""
        dtype = at_least_float32(x.dtype)
        how = self._how(dtype)
        if self.renorm:
            how = dataclasses.replace(how, correction=self._renormalized)
        several = self.synchronized and replicas.active.several()
        if mask is None and not several and self.virtual_batch_size is None:
            found = kernels.active.normalize_batch(x, how)
        else:
            found = self._normalize_counted(x, how, mask, several)
        y, mean, variance, counted = found
        self._statistics.move(mean, variance, counted)
        return y

    def _normalize_counted(
        self, x: Tensor, how: Normalization, mask: Tensor | None, several: bool
    ) -> Normalized:
        """Normalize with the statistics of some positions, or of all replicas."""
        # Where nothing is counted the output is that of inference.
        running = self._statistics.values(at_least_float32(x.dtype))
        if self.virtual_batch_size is not None:
            return normalize_groups(x, how, self.virtual_batch_size, mask, running)
        if several:
            return generic.normalize_batch(x, how, mask, True, running)
        return kernels.active.normalize_masked_batch(x, how, mask, running)

    def _renormalized(
        self, mean: Tensor, variance: Tensor, gamma: Tensor | None, beta: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Gamma and beta with the correction of Batch Renormalization in them."""
        floor = self.epsilon**0.5  # A young running stddev can be near 0.
        dtype = at_least_float32(mean.dtype)
        now = read(self.renorm_mean, dtype), read(self.renorm_stddev, dtype)
        running_mean, running_stddev = self._running_moments.met_by(mean, now)
        return corrected(
            gamma,
            beta,
            mean,
            ops.sqrt(variance + self.epsilon),
            running_mean,
            bounded(running_stddev, floor),
            self.renorm_clipping or {},
        )
