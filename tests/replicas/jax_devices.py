"""Script: `DataParallel` over two host devices, statistics are global by themselves."""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import jax
import keras
import numpy as np
from cases import CASES as ALL_CASES
from cases import check, check_step

import kerasbn

# Arrays are split in halves, whatever the case says.
CASES = [c for c in ALL_CASES if c.split == 8 and c.mask_kind != "some"]

rng = np.random.default_rng(0)
X = rng.normal(5, 2, (28, 4, 3)).astype("float32")
Y = rng.normal(size=(28, 4, 1)).astype("float32")


def train(layer, batches, place):
    """Compiled steps: the outputs and gradients of each, and the layer moved."""

    @jax.jit
    def step(trainable, frozen, x, upstream, mask):
        def loss(trainable, x):
            y, moved = layer.stateless_call(
                trainable, frozen, x, training=True, mask=mask
            )
            return (upstream * y).sum(), (y, moved)

        gradient = jax.grad(loss, argnums=(0, 1), has_aux=True)
        (by_weights, by_x), (y, moved) = gradient(trainable, x)
        return (y, by_x, *by_weights), moved

    for batch in batches:
        trainable = [v.value for v in layer.trainable_variables]
        frozen = [v.value for v in layer.non_trainable_variables]
        mask = None if batch.mask is None else place(batch.mask)
        results, moved = step(
            trainable, frozen, place(batch.x), place(batch.upstream), mask
        )
        for variable, value in zip(layer.non_trainable_variables, moved, strict=True):
            variable.assign(value)
        yield results


def layer_of(case, **options):
    layer = kerasbn.BatchNormalization(**case.layer, **options)
    layer.build(case.batch(0).x.shape)
    return layer


def model_of(**options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 3)),
            keras.layers.Dense(5),
            kerasbn.BatchNormalization(zero_debias=True, **options),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model


def fit(model):
    model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return model


def main():
    alone = []
    for case in CASES:
        layer = layer_of(case)
        results = list(train(layer, case.batches(), jax.numpy.asarray))
        alone.append((results, layer))
    fitted, recalibrated = fit(model_of()), fit(model_of())
    kerasbn.recalibrate(recalibrated, X, batch_size=8, verbose=0)

    distribution = keras.distribution.DataParallel()
    keras.distribution.set_distribution(distribution)

    def place(array):
        layout = distribution.get_data_layout(array.shape)
        return keras.distribution.distribute_tensor(array, layout)

    for case, (expected, lone) in zip(CASES, alone, strict=True):
        layer = layer_of(case, synchronized=True)
        for actual, whole in zip(
            train(layer, case.batches(), place), expected, strict=True
        ):
            assert len(actual[0].sharding.device_set) == 2
            check_step(case, [actual], whole)
        for variable, value in zip(layer.variables, lone.variables, strict=True):
            check(case, variable.numpy(), value.numpy(), variable.path)

    for synchronized in (False, True):
        model = fit(model_of(synchronized=synchronized))
        kerasbn.combine_replicas(model)
        check_alike(model, fitted)
        kerasbn.recalibrate(model, X, batch_size=8, verbose=0)
        check_alike(model, recalibrated)


def check_alike(model, alone):
    for variable, value in zip(model.variables, alone.variables, strict=True):
        np.testing.assert_allclose(
            variable.numpy(), value.numpy(), rtol=1e-4, atol=1e-5
        )


if __name__ == "__main__":
    main()
