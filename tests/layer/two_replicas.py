"""Script: synchronized statistics of two replicas are those of the whole batch."""

import itertools
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
import numpy as np
import tensorflow as tf

import kerasbn

SPLIT = 20  # Replicas of different size: 20 and 12 of 32.


def check(strategy, axis, masked, mean):
    rng = np.random.default_rng(0)
    x = rng.normal(mean, 2, (32, 4, 3)).astype("float32")
    mask = rng.random((32, 4)) < 0.6 if masked else None
    alone = kerasbn.BatchNormalization(axis, zero_debias=True)
    expected = alone(x, training=True, mask=mask).numpy()
    with strategy.scope():
        layer = kerasbn.BatchNormalization(axis, zero_debias=True, synchronized=True)
        layer.build(x.shape)

    @tf.function
    def step():
        first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        start, stop = tf.where(first, 0, SPLIT), tf.where(first, SPLIT, 32)
        part = tf.ensure_shape(tf.constant(x)[start:stop], (None, 4, 3))
        part_of_mask = tf.constant(mask)[start:stop] if masked else None
        return layer(part, training=True, mask=part_of_mask)

    parts = strategy.experimental_local_results(strategy.run(step))
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-3, atol=1e-3)
    for variable, lone in zip(layer.variables, alone.variables, strict=True):
        for replica in strategy.experimental_local_results(variable.value):
            np.testing.assert_allclose(replica.numpy(), lone.numpy(), rtol=1e-4)


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for options in itertools.product([-1, [1, 2], [1]], [False, True], [5, 1000]):
        check(strategy, *options)


if __name__ == "__main__":
    main()
