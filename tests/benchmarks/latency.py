"""Inference: the original, the folded model, and the same network built without BN.

    python -m tests.benchmarks.latency --output latency.json --chart latency.png

The network without BN is the floor: nothing that takes BN away can be faster. LiteRT,
and ONNX Runtime where `onnxruntime` and `tf2onnx` are installed, fold some BN by
themselves; what they gain from a folded model is shown as it is.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import tempfile

import keras
import numpy as np

import kerasbn
from kerasbn.archive import open_archive
from kerasbn.graph import read_graph, rewrite

from .measuring import compare

MODELS = ("MobileNetV2", "EfficientNetB0", "ResNet50")
RUNTIMES = ("tf.function", "jit", "predict", "LiteRT", "ONNX Runtime")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--chart", type=pathlib.Path)
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 16])
    parser.add_argument("--runtimes", nargs="*", default=RUNTIMES, choices=RUNTIMES)
    parser.add_argument("--pixels", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=6.0)
    arguments = parser.parse_args()
    rows = []
    for name in arguments.models:
        original, folded, floor = networks(name, arguments.pixels)
        for batch in arguments.batches:
            for runtime in arguments.runtimes:
                rows += measured(
                    {"model": name, "batch": batch, "runtime": runtime},
                    (original, folded, floor),
                    arguments,
                )
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=1))
    if arguments.chart:
        chart(rows).savefig(arguments.chart, dpi=120)


def chart(rows):
    """How many times as fast as the original the folded model and the floor are."""
    from matplotlib import pyplot as plt

    found = {}
    for row in rows:
        case = f"{row['model']}, batch {row['batch']}, {row['runtime']}"
        found.setdefault(case, {})[row["what"]] = row["ratio"]
    folded = [candidate["original / folded"] for candidate in found.values()]
    floor = [
        candidate["original / folded"] * candidate["folded / floor"]
        for candidate in found.values()
    ]
    places = np.arange(len(found))
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(found) + 1), layout="constrained")
    axes.barh(places - 0.2, folded, 0.4, label="folded")
    axes.barh(places + 0.2, floor, 0.4, label="built without BN", color="0.75")
    axes.set_yticks(places, list(found))
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("times as fast as the original")
    axes.legend(loc="lower right")
    return figure


def networks(name, pixels):
    """The original with lively statistics, what folding makes of it, and the floor."""
    build = getattr(keras.applications, name)
    original = build(weights=None, input_shape=(pixels, pixels, 3), classes=10)
    rng = np.random.default_rng(0)
    for layer in original.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_mean.shape))
    return (
        original,
        kerasbn.fold_batch_norm(original).model,
        without_batch_norm(original),
    )


def without_batch_norm(model):
    """The network as one would build it without BN: its layers have biases."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        with open_archive(path) as archive:
            config = archive.config
    graph = read_graph(config)
    layers = list(graph.walk())
    biased = {
        layer.path: {"config": {**layer.config, "use_bias": True}}
        for layer in layers
        if layer.config.get("use_bias") is False
    }
    gone = [layer.path for layer in layers if layer.is_batch_norm]
    config = rewrite(config, gone, biased)
    config.pop("compile_config", None)
    return keras.saving.deserialize_keras_object(config)


def measured(case, models, arguments):
    """Rows of the original over the folded model, and of the folded over the floor."""
    x = np.random.default_rng(0).random(
        (case["batch"], arguments.pixels, arguments.pixels, 3), "float32"
    )
    try:
        original, folded, floor = (runner(case["runtime"], m, x) for m in models)
    except ImportError as error:
        print(f"{case['runtime']:12} not measured: {error}")
        return []
    rows = []
    for what, one, other in (
        ("original / folded", original, folded),
        ("folded / floor", folded, floor),
    ):
        found = compare(one, other, seconds=arguments.seconds, most=2000)
        rows.append({**case, "what": what, **found._asdict()})
        print(
            f"{case['model']:15} batch {case['batch']:2} {case['runtime']:12} "
            f"{what:18} {found.stock:8.2f} {found.ours:8.2f} ms {found.ratio:5.2f} "
            f"({found.low:.2f}-{found.high:.2f})",
            flush=True,
        )
    return rows


def runner(runtime, model, x):
    """A function that runs the model once on `x` and waits for the result."""
    if runtime == "predict":
        return lambda: model.predict(x, batch_size=len(x), verbose=0)
    if runtime == "LiteRT":
        return lite(model, x)
    if runtime == "ONNX Runtime":
        return onnx(model, x)
    import tensorflow as tf

    tensor = tf.constant(x)
    compiled = tf.function(
        lambda values: model(values, training=False), jit_compile=runtime == "jit"
    )
    return lambda: compiled(tensor).numpy()


def lite(model, x):
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        content = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    interpreter = tf.lite.Interpreter(model_content=content, num_threads=2)
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, x.shape)
    interpreter.allocate_tensors()

    def run():
        interpreter.set_tensor(place, x)
        interpreter.invoke()

    return run


def onnx(model, x):
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "model.onnx")
        model.export(path, format="onnx", verbose=False)
        session = onnxruntime.InferenceSession(path)
    (place,) = session.get_inputs()
    return lambda: session.run(None, {place.name: x})


if __name__ == "__main__":
    main()
