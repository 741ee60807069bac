"""Running of an ONNX model with ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def run(path: Path, inputs: Mapping[str, Any], structure: Any) -> list[Any]:
    """Return its outputs; see `Format.run`."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # Errors are raised anyway.
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    names = [tensor.name for tensor in session.get_inputs()]
    if set(names) <= set(inputs):  # An unused input may be missing.
        feed = {name: inputs[name] for name in names}
    else:
        feed = dict(zip(names, inputs.values(), strict=True))
    return list(session.run(None, feed))
