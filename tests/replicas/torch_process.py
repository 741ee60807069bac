"""Script: one of two processes of `torch.distributed`; its rank is an argument."""

import copy
import os
import sys
import tempfile
from unittest import mock

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
import torch
from cases import CASES, SHAPE, check, check_step, total_variance
from torch import distributed

import kerasbn

RANK, RENDEZVOUS = int(sys.argv[1]), sys.argv[2]
rng = np.random.default_rng(0)


def train(layer, batch):
    """One step without an optimizer: outputs and gradients."""
    x = torch.tensor(batch.x, requires_grad=True)
    mask = None if batch.mask is None else torch.tensor(batch.mask)
    y = layer(x, training=True, mask=mask)
    loss = (torch.tensor(batch.upstream) * y).sum()
    sources = [x, layer.gamma.value, layer.beta.value]
    gradients = torch.autograd.grad(loss, sources)
    return [t.detach().numpy() for t in (y, *gradients)]


def of_all(thing):
    """`thing` of each process."""
    things = [None, None]
    distributed.all_gather_object(things, thing)
    return things


def check_case(case):
    layer = kerasbn.BatchNormalization(**case.layer, synchronized=True)
    alone = kerasbn.BatchNormalization(**case.layer)
    for part, whole in zip(case.parts(RANK), case.batches(), strict=True):
        check_step(case, of_all(train(layer, part)), train(alone, whole))
    for variable, lone in zip(layer.variables, alone.variables, strict=True):
        check(case, variable.numpy(), lone.numpy(), variable.path)


def check_second_gradient():
    """The gradient of the gradient, as a gradient penalty needs it."""
    x = rng.normal(5, 2, (8, 3)).astype("float32")
    upstream = torch.tensor(rng.normal(size=(8, 3)).astype("float32"))

    def second(layer, part):
        rows = torch.tensor(x[part], requires_grad=True)
        y = (upstream[part] * layer(rows, training=True) ** 2).sum()
        (first,) = torch.autograd.grad(y, rows, create_graph=True)
        return torch.autograd.grad((first**2).sum(), rows)[0].numpy()

    part = slice(0, 5) if RANK == 0 else slice(5, None)
    parts = of_all(second(kerasbn.BatchNormalization(synchronized=True), part))
    whole = second(kerasbn.BatchNormalization(), slice(None))
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-3, atol=1e-4)


def model_of(**options):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(SHAPE[1:]),
            keras.layers.Dense(5),
            kerasbn.BatchNormalization(**options),
            keras.layers.Dense(1),
        ]
    )


def descend(model, module, x, y):
    """Two steps of gradient descent on the mean loss."""
    weights = [v.value for v in model.trainable_variables]
    optimizer = torch.optim.SGD(weights, 0.01)
    for _ in range(2):
        optimizer.zero_grad()
        loss = ((module(torch.tensor(x), training=True) - torch.tensor(y)) ** 2).mean()
        loss.backward()
        optimizer.step()


def check_distributed_data_parallel():
    """It takes the mean of gradients: with equal parts, that of the mean loss."""
    x = rng.normal(5, 2, SHAPE).astype("float32")
    y = rng.normal(size=(*SHAPE[:-1], 1)).astype("float32")
    part = slice(0, 6) if RANK == 0 else slice(6, None)
    model = model_of(zero_debias=True, synchronized=True)
    module = torch.nn.parallel.DistributedDataParallel(model)
    descend(model, module, x[part], y[part])
    alone = model_of(zero_debias=True)
    descend(alone, alone, x, y)
    for variable, lone in zip(model.variables, alone.variables, strict=True):
        np.testing.assert_allclose(
            variable.numpy(), lone.numpy(), rtol=1e-4, atol=1e-5, err_msg=variable.path
        )


def check_combined(options):
    """Processes on their own, with data that differ, then combined and saved."""
    layer = kerasbn.BatchNormalization(**options)
    model = keras.Sequential([keras.Input(SHAPE[1:]), layer])
    for _ in range(3):
        x = rng.normal(5, 2, SHAPE).astype("float32") + 3 * RANK
        model(torch.tensor(x), training=True)
    own = [layer.moving_mean.numpy(), layer.moving_variance.numpy()]
    own = copy.deepcopy(own)
    expected = total_variance(*zip(*of_all(own), strict=True), [1, 1])
    kerasbn.combine_replicas(model)
    if RANK == 0:  # One process saves, and waits for no other.
        with tempfile.TemporaryDirectory() as folder:
            model.save(folder + "/model.keras")
            layer = keras.models.load_model(folder + "/model.keras").layers[0]
    for actual, value in zip(
        (layer.moving_mean, layer.moving_variance), expected, strict=True
    ):
        np.testing.assert_allclose(actual.numpy(), value, rtol=1e-5)


def check_unequal_weight():
    """A replica that has counted nothing does not count."""
    x = rng.normal(5, 2, SHAPE).astype("float32")
    layer = kerasbn.BatchNormalization(zero_debias=True)
    layer(torch.tensor(x if RANK == 0 else x[:0]), training=True)
    kerasbn.combine_replicas(layer)
    np.testing.assert_allclose(layer.moving_mean.numpy(), x.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), x.var((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_weight.w.numpy(), 0.01 / 2, rtol=1e-5)


def check_recalibrated(synchronized):
    """Each process passes its part; one device passes the same batches."""
    x = rng.normal(5, 2, (12, *SHAPE[1:])).astype("float32")
    x += np.linspace(0, 3, 12, dtype="float32")[:, None, None]
    parts = [x[0:8:2], x[1:8:2]], [x[8:10], x[10:12]]
    options = {"momentum": None, "synchronized": synchronized}
    model, alone = (deep_model(options) for _ in range(2))
    kerasbn.recalibrate(model, iter([part[RANK] for part in parts]), verbose=0)
    distributed.barrier()
    batches = [part for piece in parts for part in piece]
    if synchronized:
        batches = [np.concatenate(part) for part in parts]
    lone_statistics(alone, batches)
    for lone, many in zip(alone.layers, model.layers, strict=True):
        if not hasattr(lone, "moving_mean"):
            continue
        for one, other in zip(lone.variables, many.variables, strict=True):
            np.testing.assert_allclose(other.numpy(), one.numpy(), rtol=1e-5, atol=1e-6)
        assert many.moving_weight.w.numpy() == len(batches)


def deep_model(options):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(SHAPE[1:]),
            kerasbn.BatchNormalization(**options),
            keras.layers.Dense(5, "relu"),
            kerasbn.BatchNormalization(**options),
        ]
    )


def lone_statistics(model, batches):
    """Recalibrate as if there were this process alone."""
    with mock.patch("torch.distributed.is_initialized", return_value=False):
        kerasbn.recalibrate(model, iter(batches), verbose=0)


def main():
    kerasbn.combine_replicas(model_of())  # Not initialized: nothing to combine.
    distributed.init_process_group(
        "gloo", init_method=f"file://{RENDEZVOUS}", rank=RANK, world_size=2
    )
    for case in CASES:
        check_case(case)
    check_second_gradient()
    check_distributed_data_parallel()
    for options in ({}, {"zero_debias": True}, {"renorm": True}):
        check_combined(options)
    check_unequal_weight()
    for synchronized in (False, True):
        check_recalibrated(synchronized)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
