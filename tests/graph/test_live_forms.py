"""Forms of calls and outputs that no fixture has, as today's Keras writes them."""

import keras
import pytest
from keras import layers

from kerasbn.graph import Tensor, read_graph, rewrite

from .models import config_of, rebuilt


def dense(name):
    return layers.Dense(3, name=name)


@keras.saving.register_keras_serializable("tests.graph")
class ArgumentsAlone(keras.Model):
    """A Functional model that stores the arguments of its constructor alone."""

    def __init__(self, width=3, **kwargs):
        inputs = layers.Input((width,))
        super().__init__(inputs, layers.Dense(width)(inputs), **kwargs)
        self.width = width

    def get_config(self):
        return {"width": self.width, "name": self.name}


@pytest.mark.parametrize("make", [tuple, list])
@pytest.mark.parametrize("count", [1, 2])
def test_outputs_in_a_tuple_or_list(make, count):
    inputs = layers.Input((3,), name="x")
    model = keras.Model(inputs, make(dense(f"d{n}")(inputs) for n in range(count)))
    graph = read_graph(config_of(model))
    assert graph.outputs == tuple((f"d{n}", 0, 0) for n in range(count))


def test_outputs_in_nested_structures():
    inputs = layers.Input((3,), name="x")
    a, b, c = (dense(name)(inputs) for name in "abc")
    model = keras.Model(inputs, {"z": a, "m": [c, (b, a)]})
    config = config_of(model)
    names = [tensor.layer for tensor in read_graph(config).outputs]
    assert names == [t._keras_history[0].name for t in keras.tree.flatten(model.output)]
    assert rewrite(config, [], {}) == config


def test_a_layer_with_calls_outside_the_model():
    """Only the calls of this model count, from 0."""
    shared, elsewhere = dense("shared"), layers.Input((3,))
    shared(elsewhere)
    inputs = layers.Input((3,), name="x")
    first = shared(inputs)
    shared(elsewhere)
    config = config_of(keras.Model(inputs, [shared(first), first]))
    graph = read_graph(config)
    assert graph.outputs == (("shared", 1, 0), ("shared", 0, 0))
    assert graph.producer(graph.outputs[0]).inputs == (("shared", 0, 0),)


@pytest.mark.parametrize("removed", [[], ["bn"]])
@pytest.mark.parametrize("kind", ["functional", "sequential", "arguments"])
def test_nested_model_called_twice_as_outputs(kind, removed):
    """Keras counts a Functional model's own construction, a Sequential one's not."""
    if kind == "functional":
        inner_in = layers.Input((3,))
        inner = keras.Model(inner_in, dense("d")(inner_in), name="inner")
    elif kind == "sequential":
        inner = keras.Sequential([layers.Input((3,)), dense("d")], name="inner")
    else:
        inner = ArgumentsAlone(name="inner")
    inputs = layers.Input((3,), name="x")
    first = inner(inputs)
    second = inner(layers.BatchNormalization(name="bn")(first))
    config = config_of(keras.Model(inputs, [second, first]))
    written = rewrite(config, removed, {})
    graph = read_graph(written)
    assert graph.outputs == (("inner", 1, 0), ("inner", 0, 0))
    model = rebuilt(written)
    histories = [tensor._keras_history for tensor in model.outputs]
    assert [history.operation.name for history in histories] == ["inner", "inner"]
    assert histories[0].node_index == histories[1].node_index + 1


def test_several_inputs_in_arguments_by_keyword():
    q, v, k = (layers.Input((4, 3), name=name) for name in "qvk")
    attention = layers.MultiHeadAttention(1, 2, name="attention")
    model = keras.Model([q, v, k], attention(q, value=v, key=k))
    graph = read_graph(config_of(model))
    (node,) = graph.calls(graph.layers["attention"])
    live = attention._inbound_nodes[0].input_tensors
    expected = [tensor._keras_history.operation.name for tensor in live]
    assert [tensor.layer for tensor in node.inputs] == expected == ["q", "k", "v"]


def test_outputs_of_a_call_that_has_several():
    inputs = layers.Input((5, 3), name="x")
    _, hidden, cell = layers.LSTM(2, return_state=True, name="lstm")(inputs)
    graph = read_graph(config_of(keras.Model(inputs, [cell, hidden])))
    assert graph.outputs == (Tensor("lstm", 0, 2), Tensor("lstm", 0, 1))


@pytest.mark.parametrize("training", [None, True, False])
def test_training_flag(training):
    inputs = layers.Input((3,))
    x = layers.BatchNormalization(name="bn")(inputs, training=training)
    graph = read_graph(config_of(keras.Model(inputs, x)))
    assert graph.calls(graph.layers["bn"])[0].training is training


def test_the_same_tensor_twice_in_a_call():
    inputs = layers.Input((3,), name="x")
    model = keras.Model(inputs, layers.Add(name="add")([inputs, inputs]))
    graph = read_graph(config_of(model))
    (add,) = graph.calls(graph.layers["add"])
    assert graph.consumers[Tensor("x", 0, 0)] == (add, add)


def test_sequential_without_an_input_layer():
    model = keras.Sequential([dense("a"), dense("b")])
    config = config_of(model)
    config["config"]["layers"] = [
        entry
        for entry in config["config"]["layers"]
        if "Input" not in entry["class_name"]
    ]
    graph = read_graph(config)
    assert [node.layer.name for node in graph.nodes] == ["a", "b"]
    assert graph.producer(graph.inputs[0]) is None
    assert graph.consumers[graph.inputs[0]][0].layer.name == "a"


def test_a_number_in_the_place_of_a_tensor_in_keras_2():
    """`2 - x`: the first argument is no tensor, and the second is by keyword."""
    call = [["_CONSTANT_VALUE", -1, 2, {"y": ["x", 0, 0]}]]
    entries = [("x", []), ("subtract", [call])]
    config = {
        "layers": [
            {
                "class_name": "L",
                "config": {"name": n},
                "name": n,
                "inbound_nodes": calls,
            }
            for n, calls in entries
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["subtract", 0, 0]],
    }
    graph = read_graph({"class_name": "Functional", "config": config})
    assert graph.calls(graph.layers["subtract"])[0].inputs == (("x", 0, 0),)
