"""Graphs of saved files of every Keras version, against the script that made them."""

import pytest

from kerasbn.graph import NotAGraphError, Tensor, read_graph

from .models import KERAS_3, VERSIONS, saved_config, saved_graph


def readers(graph, layer, call=0):
    """The names of the layers that take the first output of a call."""
    return [node.layer.name for node in graph.consumers.get(Tensor(layer, call, 0), ())]


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("version", VERSIONS)
class TestNestedModels:
    def test_calls(self, version, suffix):
        graph = saved_graph(f"{version}/nested.{suffix}")
        calls = {layer.name: len(graph.calls(layer)) for layer in graph.layers.values()}
        assert calls == {
            "series": 1,
            "extra": 1,
            "inner": 1,
            "stack": 1,
            "twice": 2,
            "merged": 1,
            "head": 1,
        }

    def test_inputs_and_outputs(self, version, suffix):
        graph = saved_graph(f"{version}/nested.{suffix}")
        assert [tensor.layer for tensor in graph.inputs] == ["series", "extra"]
        head, side = graph.outputs
        assert head == ("head", 0, 0)
        # The same tensor that `merged` takes second: `twice(extra)`.
        assert side.layer == "twice"
        assert graph.producer(side).inputs == (("extra", 0, 0),)
        (merged,) = graph.calls(graph.layers["merged"])
        assert merged.inputs[1] == side

    def test_the_way_from_input_to_output(self, version, suffix):
        graph = saved_graph(f"{version}/nested.{suffix}")
        assert readers(graph, "series") == ["inner"]
        assert readers(graph, "inner") == ["stack"]
        assert readers(graph, "stack") == ["twice"]
        assert readers(graph, "head") == []
        (merged,) = graph.calls(graph.layers["merged"])
        behind_stack, behind_extra = map(graph.producer, merged.inputs)
        assert behind_stack.inputs == (("stack", 0, 0),)
        assert behind_extra.inputs == (("extra", 0, 0),)
        assert {behind_stack.call, behind_extra.call} == {0, 1}

    def test_walk_and_paths(self, version, suffix):
        graph = saved_graph(f"{version}/nested.{suffix}")
        found = {layer.path for layer in graph.walk() if layer.is_batch_norm}
        assert found == {"inner/bn", "stack/bn", "twice/bn"}
        assert {inner.path for inner in graph.graphs()} == {
            "",
            "inner",
            "stack",
            "twice",
        }

    def test_inner_graphs(self, version, suffix):
        graph = saved_graph(f"{version}/nested.{suffix}")
        inner, stack = (graph.layers[name].graph for name in ("inner", "stack"))
        assert inner.outputs == (("bn", 0, 0),)
        assert inner.inputs == (("inner_in", 0, 0),)
        assert [node.inputs for node in inner.nodes] == [
            (),
            (("inner_in", 0, 0),),
            (("conv", 0, 0),),
        ]
        assert stack.outputs == (("bn", 0, 0),)
        assert readers(stack, "flatten") == ["dense"]
        assert stack.producer(stack.inputs[0]).layer.class_name == "InputLayer"


@pytest.mark.parametrize("version", VERSIONS)
def test_dict_outputs_in_flattened_order(version):
    """`keras.tree.flatten` sorts by key: main, then side."""
    graph = saved_graph(f"{version}/dict_outputs.keras")
    assert [tensor.layer for tensor in graph.outputs] == ["head", "twice"]


@pytest.mark.parametrize("version", VERSIONS)
def test_training_flags(version):
    graph = saved_graph(f"{version}/training_flag.keras")
    flags = {node.layer.name: node.training for node in graph.nodes}
    assert flags["bn_first"] is False
    assert flags["bn_second"] is True
    assert flags["dense_first"] is None
    graph = saved_graph(f"{version}/functional.keras")
    flags = {node.layer.name: node.training for node in graph.nodes}
    assert flags["bn_conv"] is None


@pytest.mark.parametrize("version", VERSIONS)
def test_shortcut_and_operators(version):
    graph = saved_graph(f"{version}/functional.keras")
    first, second = readers(graph, "relu_conv")
    assert first == "separable"
    addition = graph.calls(graph.layers[second])[0]
    if version in KERAS_3:
        assert graph.layers[second].entry.is_operator
    taken = [tensor.layer for tensor in addition.inputs]
    assert sorted(taken) == ["bn_depthwise", "relu_conv"]
    assert graph.outputs == (("bn_out", 0, 0),)


@pytest.mark.parametrize("version", VERSIONS)
def test_sequential(version):
    graph = saved_graph(f"{version}/sequential.keras")
    names = [node.layer.name for node in graph.nodes]
    assert names[1:] == ["conv", "bn_conv", "relu", "flatten", "dense", "bn_dense"]
    for before, after in zip(graph.nodes, graph.nodes[1:], strict=False):
        assert graph.consumers[before.output] == (after,)
    assert graph.outputs == (("bn_dense", 0, 0),)


@pytest.mark.parametrize("version", KERAS_3)
def test_input_shapes(version):
    graph = saved_graph(f"{version}/functional.keras")
    shapes = {node.layer.name: node.input_shape for node in graph.nodes}
    assert shapes["conv"] == (None, 8, 8, 3)
    assert shapes["bn_conv"] == (None, 8, 8, 4)
    assert shapes["dense"] == (None, 4)
    graph = saved_graph(f"{version}/sequential.keras")
    shapes = {node.layer.name: node.input_shape for node in graph.nodes}
    assert shapes["bn_conv"] == (None, 6, 4)


@pytest.mark.parametrize("version", VERSIONS)
def test_names_of_variables(version):
    graph = saved_graph(f"{version}/functional.keras")
    names = {
        layer.name: layer.batch_norm_variables
        for layer in graph.walk()
        if layer.is_batch_norm
    }
    statistics = ("moving_mean", "moving_variance")
    assert names["bn_conv"] == ("gamma", "beta", *statistics)
    assert names["bn_separable"] == ("beta", *statistics)
    assert names["bn_depthwise"] == ("gamma", *statistics)


@pytest.mark.parametrize("version", VERSIONS)
def test_subclassed_model_is_no_graph(version):
    with pytest.raises(NotAGraphError, match=r"Received: class 'Subclassed'"):
        read_graph(saved_config(f"{version}/subclassed.keras"))
