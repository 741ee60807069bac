"""What lint/semantics.py says of the Keras at hand; `every_keras.py` asks others."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import keras
import pytest

from lint.semantics import MEANINGS, parse_version

spec = spec_from_file_location(
    "every_keras", Path(__file__).with_name("every_keras.py")
)
assert spec is not None
assert spec.loader is not None
every_keras = module_from_spec(spec)
spec.loader.exec_module(every_keras)


CASES = [
    pytest.param(
        meaning,
        id=meaning.fact[:40],
        marks=[pytest.mark.long] if meaning in every_keras.BACKENDS else [],
    )
    for meaning in MEANINGS
]


@pytest.mark.parametrize("meaning", CASES)
def test_meaning(meaning, subprocess_python) -> None:
    text = every_keras.BEGIN + every_keras.PROOFS[meaning]
    backend = every_keras.BACKENDS.get(meaning)
    if backend is None:
        space = {"__name__": "example"}
        exec(text, space)
        holds = space["holds"]
    else:
        pytest.importorskip(backend)
        choice = f'import os\nos.environ["KERAS_BACKEND"] = "{backend}"\n'
        done = subprocess_python(f"{choice}{text}\nprint('holds', holds)")
        assert "holds " in done.out, done.err
        holds = "holds True" in done.out
    version = parse_version(keras.__version__)
    assert version is not None
    assert holds is meaning.applies_to(version)
