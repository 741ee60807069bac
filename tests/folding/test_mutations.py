"""Folds that are wrong on purpose: the proof of the segments refuses each of them.

Each graph is folded rightly, which the proof accepts, and then wrongly in every way
that applies, one in a few of them for each graph: wrong weights, a wrong map of BN, a
carrier or an absorber that does something else, a condition that is not checked. Ends
are saturated where that may hide a difference. What changes nothing, such as a shift
lost where it is zero, is no fault.
"""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

import kerasbn
from kerasbn.archive import open_archive
from kerasbn.errors import UnusableFileError
from kerasbn.folding import absorb, apply, carry, conditions
from kerasbn.folding.affine import IDENTITY, Affine
from kerasbn.folding.apply import FoldedModel
from kerasbn.folding.carry.base import Carrier
from kerasbn.folding.plan import make_plan
from kerasbn.folding.proof.verify import compare_segments
from kerasbn.graph import NO_TRUST, read_graph

from .models import L

if TYPE_CHECKING:
    from collections.abc import Callable

ops = keras.ops
HARMLESS = 1e-7  # relative; less is not asked to be found


def bn(x, **kwargs):
    return L.BatchNormalization(**kwargs)(x)


def image(function, shape=(6, 6, 4)):
    def make():
        x = keras.Input(shape)
        return keras.Model(x, function(x))

    return make


def row(function):
    return image(function, (6,))


def sequence(function):
    return image(function, (8, 4))


def two(x, layer=L.Conv2D, filters=(4, 4), kernel=3):
    return [layer(count, kernel)(x) for count in filters]


def add_then(x, *after):
    for layer in after:
        x = layer(x)
    return bn(x)


def nested(x):
    inner = keras.Input((6, 6, 4))
    inner = keras.Model(inner, L.Conv2D(4, 3)(inner))
    return bn(inner(x))


def siblings(x):
    """Both BN read one tensor: one goes, the other is corrected."""
    y = L.Dense(4)(x)
    return [L.ReLU()(bn(y)), L.ReLU()(bn(y))]


LOUD = {"bias_initializer": keras.initializers.Constant([900.0, -900.0, 0, 0])}

GRAPHS = {
    "Dense": row(lambda x: bn(L.Dense(4)(x))),
    "Dense without bias": row(lambda x: bn(L.Dense(4, use_bias=False)(x))),
    "Dense, BN without scale": row(lambda x: bn(L.Dense(4)(x), scale=False)),
    "Dense, BN without center": row(lambda x: bn(L.Dense(4)(x), center=False)),
    "EinsumDense": sequence(
        lambda x: bn(L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")(x))
    ),
    "TimeDistributed": sequence(lambda x: bn(L.TimeDistributed(L.Dense(4))(x))),
    "Conv1D": sequence(lambda x: bn(L.Conv1D(4, 3, padding="causal")(x))),
    "Conv2D": image(lambda x: bn(L.Conv2D(4, 3, padding="same")(x))),
    "Conv2D, groups": image(lambda x: bn(L.Conv2D(4, 3, groups=2)(x))),
    "Conv2D, channels first": image(
        lambda x: bn(L.Conv2D(4, 3, data_format="channels_first")(x), axis=1)
    ),
    "Conv3D": image(lambda x: bn(L.Conv3D(3, 2)(x)), (4, 4, 4, 2)),
    "DepthwiseConv1D": sequence(
        lambda x: bn(L.DepthwiseConv1D(3, depth_multiplier=2)(x))
    ),
    "DepthwiseConv2D": image(lambda x: bn(L.DepthwiseConv2D(3, depth_multiplier=2)(x))),
    "SeparableConv2D": image(lambda x: bn(L.SeparableConv2D(4, 3)(x))),
    "Conv1DTranspose": sequence(lambda x: bn(L.Conv1DTranspose(4, 3)(x))),
    "Conv2DTranspose": image(lambda x: bn(L.Conv2DTranspose(4, 3, strides=2)(x))),
    "into a softmax": row(lambda x: L.Dense(4, activation="softmax", **LOUD)(bn(x))),
    "into a dead relu6": image(
        lambda x: L.Conv2D(
            4, 3, activation="relu6", bias_initializer=keras.initializers.Constant(-900)
        )(bn(x))
    ),
    "into a hard sigmoid": sequence(
        lambda x: L.Conv1D(4, 3, activation="hard_sigmoid", **LOUD)(bn(x))
    ),
    "into DepthwiseConv2D": image(
        lambda x: L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu6")(bn(x))
    ),
    "into SeparableConv1D": sequence(lambda x: L.SeparableConv1D(5, 3)(bn(x))),
    "into Conv2DTranspose": image(
        lambda x: L.Conv2DTranspose(4, 1, activation="tanh")(bn(x))
    ),
    "into EinsumDense": sequence(
        lambda x: L.EinsumDense("abc,cd->abd", (None, 5), activation="sigmoid")(bn(x))
    ),
    "into padding, without a shift": image(
        lambda x: L.Conv2D(4, 3, padding="same", activation="relu")(bn(x))
    ),
    "axis=[1, 2] into Dense": image(
        lambda x: L.Dense(3, activation="softmax")(
            L.Flatten()(kerasbn.BatchNormalization(axis=[1, 2])(x))
        ),
        (3, 4, 2),
    ),
    "Add": image(lambda x: bn(L.Add()(two(x)))),
    "a + b": image(lambda x: bn(ops.add(*two(x)))),
    "Subtract": image(lambda x: bn(L.Subtract()(two(x)))),
    "Average": image(lambda x: bn(L.Average()(two(x)))),
    "Maximum": image(lambda x: bn(L.Maximum()(two(x)))),
    "Concatenate": image(lambda x: bn(L.Concatenate()(two(x, filters=(3, 2))))),
    "ops.concatenate": image(lambda x: bn(ops.concatenate(two(x, filters=(3, 2)), -1))),
    "AveragePooling2D": image(
        lambda x: add_then(x, L.Conv2D(4, 3), L.AveragePooling2D(2))
    ),
    "MaxPooling2D": image(lambda x: add_then(x, L.Conv2D(4, 3), L.MaxPooling2D(2))),
    "GlobalAveragePooling2D": image(
        lambda x: add_then(x, L.Conv2D(4, 3), L.GlobalAveragePooling2D())
    ),
    "UpSampling2D, Cropping2D": image(
        lambda x: add_then(x, L.Conv2D(4, 3), L.UpSampling2D(), L.Cropping2D(1))
    ),
    "Reshape, Permute": image(
        lambda x: add_then(x, L.Conv2D(4, 3), L.Reshape((16, 4)), L.Permute((1, 2)))
    ),
    "Flatten": image(lambda x: add_then(x, L.Conv2D(4, 6), L.Flatten())),
    "ZeroPadding2D": image(
        lambda x: bn(L.ZeroPadding2D()(L.Conv2D(4, 3)(x)), center=False)
    ),
    "Rescaling": image(lambda x: add_then(x, L.Conv2D(4, 3), L.Rescaling(2, 0.5))),
    "x * 1.5 + 0.5": image(lambda x: bn(L.Conv2D(4, 3)(x) * 1.5 + 0.5)),
    "nested": image(nested),
    "siblings": row(siblings),
    "BN into BN": image(lambda x: L.ReLU()(bn(bn(x)))),
    "Conv2D with relu": image(lambda x: bn(L.Conv2D(4, 3, activation="relu")(x))),
}
EVEN = ("Maximum", "MaxPooling2D")  # gammas must be positive
UNSHIFTED = ("into padding, without a shift", "ZeroPadding2D")


def give_values(model, name):
    rng = np.random.default_rng(len(name))
    for layer in model._flatten_layers():
        if isinstance(layer, L.BatchNormalization):
            shape = layer.moving_mean.shape
            variance, mean = rng.uniform(0.2, 3, shape), rng.normal(1, 1, shape)
            layer.moving_variance.assign(variance)
            layer.moving_mean.assign(mean)
            gamma = rng.uniform(0.4, 2, shape)
            if layer.scale:
                layer.gamma.assign(gamma if name in EVEN else gamma - 0.2)
            if layer.center:
                layer.beta.assign(rng.normal(1, 1, shape))
            if name in UNSHIFTED:  # beta = mean * scale
                layer.moving_mean.assign(np.zeros(shape))
                if layer.center:
                    layer.beta.assign(np.zeros(shape))
        elif hasattr(layer, "bias") and layer.bias is not None:
            layer.bias.assign_add(rng.normal(0, 0.5, layer.bias.shape))


# Wrong weights: array -> array, of one of the arrays of a layer.


def rolled(axis):
    return lambda a: np.roll(a, 1, axis) if a.ndim >= -axis else a


def neighbour(a):
    a = a.copy()
    a[..., -1] = a[..., 0]
    return a


def one_entry(a):
    a = a.copy()
    a.flat[-1] = a.flat[-1] * (1 + 1e-5) + 1e-5
    return a


def turned(a):
    return np.swapaxes(a, -1, -2) if a.ndim > 1 and a.shape[-1] == a.shape[-2] else a


def flipped(a):
    return a[::-1].copy() if a.ndim > 2 else a


def order_of_depths(a):
    """c * multiplier + m read as m * channels + c."""
    if a.ndim < 2:
        return a
    return np.swapaxes(a, -1, -2).reshape(a.shape)


WEIGHTS: dict[str, Callable[[Any], Any]] = {
    "halved": lambda a: a / 2,
    "forgotten": lambda a: np.zeros_like(a),
    "of the other sign": lambda a: -a,
    "outputs rolled": rolled(-1),
    "inputs rolled": rolled(-2),
    "the neighbour's channel": neighbour,
    "one entry off by 1e-5": one_entry,
    "axes swapped": turned,
    "turned around in space": flipped,
    "depths in another order": order_of_depths,
    "off by 1e-6": lambda a: a * (1 + 1e-6),
    "squared": lambda a: a**2,
}

# Wrong maps of BN: how its variables are misread.


def swapped(v, _):
    if "gamma" in v and "beta" in v:
        v["gamma"], v["beta"] = v["beta"], v["gamma"]


def no_root(v, epsilon):
    v["moving_variance"] = (v["moving_variance"] + epsilon) ** 2 - epsilon


def scaled(name, factor):
    return lambda v, _: v.update({k: a * factor for k, a in v.items() if k == name})


def shifted(name):
    return lambda v, _: v.update({k: np.roll(a, 1) for k, a in v.items() if k == name})


def without(name):
    return lambda v, _: v.pop(name, None)


def epsilon_added(amount):
    def change(v, epsilon):
        v["moving_variance"] = v["moving_variance"] + amount - epsilon

    return change


MAPS = {
    "epsilon ignored": epsilon_added(0.0),
    "another epsilon": epsilon_added(1e-5),
    "root forgotten": no_root,
    "gamma and beta swapped": swapped,
    "gamma lost": without("gamma"),
    "beta lost": without("beta"),
    "mean lost": scaled("moving_mean", 0.0),
    "mean added": scaled("moving_mean", -1.0),
    "variance of the neighbour": shifted("moving_variance"),
    "gamma of the neighbour": shifted("gamma"),
    "mean of the neighbour": shifted("moving_mean"),
    "variance corrected by N - 1": scaled("moving_variance", 1.01),
}

# Wrong carriers: maps of one side -> maps of the other.


def to_first(maps):
    return [map_ if i == 0 else IDENTITY for i, map_ in enumerate(maps)]


PASSED = {
    "map lost": lambda maps: [IDENTITY for _ in maps],
    "scale lost": lambda maps: [Affine(np.ones(()), m.shift) for m in maps],
    "shift lost": lambda maps: [Affine(m.scale, np.zeros(())) for m in maps],
    "shift doubled": lambda maps: [Affine(m.scale, m.shift * 2) for m in maps],
    "scale halved": lambda maps: [Affine(m.scale / 2, m.shift) for m in maps],
    "places rolled": lambda maps: [m.each(rolled(-1)) for m in maps],
    "branches exchanged": lambda maps: list(reversed(maps)),
    "first branch only": to_first,
    "shift to every branch": lambda maps: [
        Affine(m.scale, maps[0].shift) for m in maps
    ],
}

# It does not matter which of the summands takes the shift in.
SAME = {(name, "carrier: branches exchanged") for name in ("Add", "a + b")}


def same_kernels(config, kernels, scale):
    return kernels


def responding(change):
    """An absorber whose bias answers otherwise to a shift of its input."""

    def changed(absorber):
        def bias(config, kernels, biases, side, affine):
            right = absorber._absorbed_bias(config, kernels, biases, side, affine)
            if side == "output" or not right:
                return right
            own = biases[0] if biases else 0.0
            return [own + change(right[0] - own)]

        return {"_absorbed_bias": bias}

    return changed


ABSORBED: dict[str, Callable[[Any], dict[str, Any]]] = {
    "scale not taken in behind": lambda a: {"_scale_outputs": same_kernels},
    "scale not taken in before": lambda a: {"_scale_inputs": same_kernels},
    "scale taken in on the wrong side": lambda a: {
        "_scale_outputs": a._scale_inputs,
        "_scale_inputs": a._scale_outputs,
    },
    "no response to the shift": responding(lambda response: 0 * response),
    "half a response": responding(lambda response: response / 2),
    "the response of one place": responding(lambda response: np.roll(response, 1)),
    "inputs of another group": lambda a: {
        "_scale_inputs": lambda c, k, s: a._scale_inputs(
            {**c, "groups": 1}, k, np.roll(s, 1)
        )
    },
}


def fold(graph, archive):
    return FoldedModel(graph, archive, make_plan(graph, archive))


def arrays(folded):
    return {
        path: [np.asarray(a) for a in v] for path, v in folded.float64_weights.items()
    }


def differ(ones, others):
    """Whether two dicts of weights are not the same but for what is harmless."""
    if ones.keys() != others.keys():
        return True
    for path, values in ones.items():
        for one, other in zip(values, others[path], strict=True):
            if one.shape != other.shape:
                return True
            if np.abs(one - other).max() > HARMLESS * np.abs(one).max():
                return True
    return False


def accepted(folded):
    try:
        found = compare_segments(folded, NO_TRUST)
    except (UnusableFileError, ValueError, TypeError):
        return False  # refused with a message
    return found.equal


def some(faults, number):
    """Every fourth of them, another one first for each number."""
    return list(faults.items())[number % 4 :: 4]


def wrong_weights(right, turn):
    for path, values in right.items():
        for number, array in enumerate(values):
            for kind, change in some(WEIGHTS, turn + number):
                changed = [*values]
                changed[number] = np.asarray(change(array))
                yield f"{path}[{number}] {kind}", right | {path: changed}


@contextmanager
def wrong_map(change):
    usual = conditions.batch_norm_affine

    def wrong(config, variables, axes):
        wide = {name: np.float64(values) for name, values in variables.items()}
        change(wide, config["epsilon"])
        return usual(config, wide, axes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "batch_norm_affine", wrong)
        patch.setattr(apply, "batch_norm_affine", wrong)
        yield


@contextmanager
def wrong_carriers(change):
    with pytest.MonkeyPatch.context() as patch:
        for table in (carry.LAYERS, carry.OPERATORS):
            for name, usual in table.items():
                wrong = Carrier(
                    lambda site, affine, usual=usual: change(
                        usual.backward(site, affine)
                    ),
                    lambda site, affines, usual=usual: change(
                        [usual.forward(site, affines)]
                    )[0],
                )
                patch.setitem(table, name, wrong)
        yield


@contextmanager
def wrong_absorbers(change):
    with pytest.MonkeyPatch.context() as patch:
        for name, usual in absorb.ABSORBERS.items():
            wrong = copy(usual)
            vars(wrong).update(change(usual))
            patch.setitem(absorb.ABSORBERS, name, wrong)
        yield


@contextmanager
def unchecked_activation():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "_activation", lambda config: "linear")
        yield


@contextmanager
def unchecked_padding():
    with wrong_absorbers(lambda usual: {"unevenness": lambda config: None}):
        yield


def wrong_plans(turn):
    maps = some(MAPS, turn)
    yield from ((f"BN: {kind}", wrong_map(change)) for kind, change in maps)
    yield from ((f"carrier: {k}", wrong_carriers(c)) for k, c in PASSED.items())
    yield from ((f"absorber: {k}", wrong_absorbers(c)) for k, c in ABSORBED.items())
    yield "activation not checked", unchecked_activation()
    yield "padding not checked", unchecked_padding()


def mutants(folded, graph, archive, turn):
    right = arrays(folded)
    for kind, values in wrong_weights(right, turn):
        if differ(right, values):
            mutant = FoldedModel(graph, archive, folded.plan)
            mutant.__dict__["exact"] = values
            yield kind, mutant
    for kind, wrongly in wrong_plans(turn):
        try:
            with wrongly:
                mutant = fold(graph, archive)
                values = arrays(mutant)
        except UnusableFileError:
            continue
        if mutant.plan.folds and differ(right, values):
            yield kind, mutant


@pytest.mark.parametrize("name", GRAPHS)
def test_wrong_folds_are_refused(name, tmp_path):
    model = GRAPHS[name]()
    give_values(model, name)
    model.save(tmp_path / "model.keras")
    with open_archive(tmp_path / "model.keras") as archive:
        graph = read_graph(archive.config)
        folded = fold(graph, archive)
        assert accepted(folded)
        found = mutants(folded, graph, archive, list(GRAPHS).index(name))
        tried = {kind: accepted(mutant) for kind, mutant in found}
    assert len(tried) >= (name != "Conv2D with relu")  # That one must not be folded.
    survivors = {kind for kind in tried if tried[kind] and (name, kind) not in SAME}
    assert not survivors
