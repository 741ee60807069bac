"""The work grows with the length of a file, not with its square: steps are counted."""

from __future__ import annotations

import cProfile

import pytest

from lint import check_text

BEGIN = """
import keras
from keras import layers

inputs = x = keras.Input((8,))
"""
END = """
model = keras.Model(inputs, x)
model(x)
"""
# What is written again and again, each time with the same name bound anew.
REPEATED = {
    "straight": "x = layers.Dense(8)(x)\n",
    "residual": "y = layers.BatchNormalization()(x)\nx = x + y\n",
    "used between": "x = layers.Dense(8)(x)\nprint(x)\n",
    "in branches": "if wide:\n    x = layers.Dense(8)(x)\nprint(x)\n",
    "in a loop": "    x = layers.BatchNormalization()(x)\n    print(x)\n",
    "handed on": "def f(v=x):\n    return v\nx = f(x)\n",
    "an attribute": "x.momentum = x.momentum\n",
}


def steps(code):
    """How many functions were called to check it, those of C as well."""
    profile = cProfile.Profile()
    profile.runcall(check_text, code)
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("kind", REPEATED)
def test_rebinding_a_name_is_linear(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    part = REPEATED[kind]
    begin = BEGIN + "for _ in range(3):\n" * part.startswith(" ")
    check_text(begin + part + END)  # What is done once in a process.
    short, long = (steps(begin + part * times + END) for times in (300, 900))
    assert long < 4 * short
