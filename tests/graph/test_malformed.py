"""Configurations that no Keras writes are refused, never followed."""

import pytest

from kerasbn.graph import NotAGraphError, UnusableFileError, read_graph, rewrite

from .models import saved_config


def layer(name, *inputs, class_name="Dense", config=None, calls=None):
    """An entry that is called once, with the first outputs of other layers."""
    tensors = [
        {
            "class_name": "__keras_tensor__",
            "config": {"shape": [None, 3], "keras_history": [name, 0, 0]},
        }
        for name in inputs
    ]
    nodes = [{"args": [tensors], "kwargs": {}}] if tensors else []
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": {"name": name} if config is None else config,
        "name": name,
        "inbound_nodes": nodes if calls is None else calls,
    }


def functional(*entries, outputs=None, inputs=None):
    return {
        "class_name": "Functional",
        "config": {
            "name": "model",
            "layers": list(entries),
            "input_layers": ["x", 0, 0] if inputs is None else inputs,
            "output_layers": ["y", 0, 0] if outputs is None else outputs,
        },
    }


def refused(model, message):
    with pytest.raises(UnusableFileError, match=message):
        read_graph(model)
    with pytest.raises(UnusableFileError, match=message):
        rewrite(model, ["y"], {})


def test_the_helpers_make_a_good_model():
    graph = read_graph(functional(layer("x"), layer("a", "x"), layer("y", "a", "x")))
    assert [node.layer.name for node in graph.nodes] == ["x", "a", "y"]


@pytest.mark.parametrize(
    "entries",
    [
        [layer("x"), layer("y", "y")],
        [layer("x"), layer("a", "x", "b"), layer("b", "a"), layer("y", "b")],
        [layer("x"), layer("y", "x"), layer("a", "b"), layer("b", "a")],
    ],
    ids=["itself", "between", "aside"],
)
def test_cycle(entries):
    refused(functional(*entries), "form a cycle")


def test_a_long_cycle_and_a_long_chain():
    """Neither recursion nor time goes wrong at two thousand layers."""
    names = [f"l{number}" for number in range(2_000)]
    chain = [layer(b, a) for a, b in zip(["x", *names], [*names, "y"], strict=True)]
    assert len(read_graph(functional(layer("x"), *chain)).nodes) == 2_002
    written = rewrite(functional(layer("x"), *chain), names, {})
    assert [entry["name"] for entry in written["config"]["layers"]] == ["x", "y"]
    refused(functional(layer("x"), *chain, layer("x2", "x2")), "form a cycle")


def test_two_layers_of_one_name():
    refused(functional(layer("x"), layer("y", "x"), layer("y", "x")), "the same name")


@pytest.mark.parametrize(
    "reference",
    [["none", 0, 0], ["y", 1, 0], ["y", -1, 0], ["y", 0, -1], ["y", 2**70, 0]],
)
class TestReferencesToNothing:
    def test_of_an_output(self, reference):
        model = functional(
            layer("x"), layer("y", "x"), outputs=[["y", 0, 0], reference]
        )
        refused(model, "which does not exist")

    def test_of_an_input(self, reference):
        refused(
            functional(layer("x"), layer("y", "x"), inputs=reference),
            "which does not exist",
        )

    def test_of_a_call(self, reference):
        entry = layer("y", "x", "x")
        tensor = entry["inbound_nodes"][0]["args"][0][1]
        tensor["config"]["keras_history"] = reference
        refused(functional(layer("x"), entry), "which does not exist|form a cycle")

    def test_of_a_keras_2_call(self, reference):
        entry = layer("y", calls=[[["x", 0, 0, {}], [*reference, {}]]])
        refused(functional(layer("x"), entry), "which does not exist|form a cycle")


@pytest.mark.parametrize(
    "history",
    [None, 7, "x", [], ["x"], ["x", 0], ["x", "0", 0], [["x"], 0, 0], {"x": 1}],
)
def test_histories_of_wrong_types(history):
    entry = layer("y", "x")
    entry["inbound_nodes"][0]["args"][0][0]["config"]["keras_history"] = history
    refused(functional(layer("x"), entry), "is malformed")


@pytest.mark.parametrize(
    "calls", [7, None, "calls", [7], [None], ["call"], [{}], [{"args": []}], {"a": 1}]
)
def test_calls_of_wrong_types(calls):
    model = functional(layer("x"), layer("y", "x", calls=calls))
    try:
        graph = read_graph(model)
    except UnusableFileError:
        return
    assert {tensor.layer for node in graph.nodes for tensor in node.inputs} <= {"x"}


@pytest.mark.parametrize("entry", [None, 7, "layer", [], ["Dense", {}]])
def test_entries_of_wrong_types(entry):
    refused(functional(layer("x"), entry), "no object|malformed")
    sequential = {"class_name": "Sequential", "config": {"layers": [entry]}}
    refused(sequential, "no object|malformed")


@pytest.mark.parametrize("name", [None, 7, "", [], {}, "a\0b"])
def test_names_of_wrong_types(name):
    entry = layer("y", "x", config={"name": name})
    entry["name"] = name
    refused(functional(layer("x"), entry), "without a valid name")


@pytest.mark.parametrize("key", ["input_layers", "output_layers"])
@pytest.mark.parametrize("value", [None, 7, "x", [7], {"a": None}, [["x"]], ["x", 0]])
def test_ends_of_wrong_types(key, value):
    model = functional(layer("x"), layer("y", "x"))
    model["config"][key] = value
    refused(model, "malformed")


def test_class_names_of_wrong_types():
    for value in (None, 7, [], {}):
        graph = read_graph(
            functional(
                layer("x"), layer("y", "x", class_name=value, config={"name": "y"})
            )
        )
        assert not graph.layers["y"].is_batch_norm


@pytest.mark.parametrize("depth", [300, 1000])
def test_models_nested_very_deep(depth):
    """As `config.json` it would be refused before; a dictionary may still be deep."""
    model = functional(layer("x"), layer("y", "x"))
    for _ in range(depth):
        inner = {**layer("y", "x"), **model, "name": "y"}
        model = functional(layer("x"), inner)
    with pytest.raises(UnusableFileError, match="malformed: RecursionError"):
        read_graph(model)


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"class_name": "Functional"},
        {"class_name": "Functional", "config": None},
        {"class_name": "Functional", "config": []},
        {"class_name": "Sequential", "config": {"layers": {}}},
        {"class_name": "Mine", "config": {"layers": []}},
    ],
)
def test_no_graph(model):
    with pytest.raises(NotAGraphError, match="neither Functional nor Sequential"):
        read_graph(model)


def test_duplicate_layer_in_a_real_file():
    config = saved_config("keras-3.15/nested.keras")
    inner = next(e for e in config["config"]["layers"] if e["name"] == "inner")
    inner["config"]["layers"].append(inner["config"]["layers"][-1])
    refused(config, r"Two layers of the model 'inner'")


@pytest.mark.parametrize("calls", ["x", [], [{"args": [], "kwargs": {}}]])
def test_batch_normalization_that_nothing_calls(calls):
    config = {"name": "y", "axis": -1, "epsilon": 1e-3}
    entry = layer("y", class_name="BatchNormalization", config=config, calls=calls)
    with pytest.raises(UnusableFileError, match=r"malformed|without a tensor"):
        read_graph(functional(layer("x"), entry))
