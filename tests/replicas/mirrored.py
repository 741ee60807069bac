"""Script: synchronized replicas of `MirroredStrategy` on two logical devices."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
import tensorflow as tf
from cases import CASES, STEPS, check, check_step

import kerasbn


def two_devices():
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def train(layer, x, mask, upstream):
    """One step without an optimizer: outputs and gradients."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True, mask=mask)
        loss = tf.reduce_sum(upstream * y)
    return y, *tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])


def tensors(batch):
    mask = None if batch.mask is None else tf.constant(batch.mask)
    return tf.constant(batch.x), mask, tf.constant(batch.upstream)


def check_case(strategy, case):
    alone = kerasbn.BatchNormalization(**case.layer)
    with strategy.scope():
        layer = kerasbn.BatchNormalization(**case.layer, synchronized=True)
        layer.build(case.batch(0).x.shape)

    @tf.function
    def step(parts):
        return strategy.run(lambda part: train(layer, *part), args=(parts,))

    for i in range(STEPS):
        parts = strategy.experimental_distribute_values_from_function(
            lambda context, i=i: tensors(
                case.parts(context.replica_id_in_sync_group)[i]
            )
        )
        results = map(strategy.experimental_local_results, step(parts))
        whole = train(alone, *tensors(case.batch(i)))
        check_step(case, list(zip(*results, strict=True)), whole)
    for variable, lone in zip(layer.variables, alone.variables, strict=True):
        for value in strategy.experimental_local_results(variable.value):
            check(case, value.numpy(), lone.numpy(), variable.path)


def main():
    strategy = two_devices()
    for case in CASES:
        check_case(strategy, case)


if __name__ == "__main__":
    main()
