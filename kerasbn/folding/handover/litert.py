"""Running of a LiteRT model, with LiteRT or, for its operators, with TensorFlow."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PARTS = re.compile(r"(\d+)")


def run(path: Path, inputs: Mapping[str, Any], structure: Any) -> list[Any]:
    """Return the outputs of its signature; see `Format.run`."""
    error: Exception | None = None
    for module in ("ai_edge_litert.interpreter", "tensorflow"):
        if not find_spec(module.split(".")[0]):
            continue
        found = import_module(module)
        interpreter = found.lite if module == "tensorflow" else found
        try:
            return _outputs(interpreter.Interpreter(model_path=str(path)), inputs)
        except RuntimeError as problem:  # An operator that this interpreter lacks.
            error = problem
    raise error or ImportError("no interpreter is installed")


def _outputs(interpreter: Any, inputs: Mapping[str, Any]) -> list[Any]:
    runner = interpreter.get_signature_runner()
    names = list(runner.get_input_details())
    if set(names) <= set(inputs):
        feed = {name: inputs[name] for name in names}
    else:
        feed = dict(zip(names, inputs.values(), strict=True))
    outputs = runner(**feed)
    return [outputs[name] for name in sorted(outputs, key=_in_order)]


def _in_order(name: str) -> list[Any]:
    """Sort key: `output_10` after `output_9`, and names of a dict as Keras sorts."""
    if not name.startswith("output_"):
        return [name]
    return [int(part) if part.isdigit() else part for part in _PARTS.split(name)]
