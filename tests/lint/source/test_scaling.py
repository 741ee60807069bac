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


def test_conditions_that_lead_to_one_another() -> None:
    chained = "".join(f"    if x{i}:\n        x{i + 1} = 1\n" for i in range(1500))
    found = check_text(
        "import keras\nfrom keras import layers\n\ndef build(x0):\n"
        f"{chained}    if x1500:\n        return layers.BatchNormalization()\n"
        "\nclass Net(keras.Model):\n    def __init__(self):\n"
        "        super().__init__()\n        self.bn = build(1)\n\n"
        "    def call(self, x):\n        return self.bn(x)\n"
    )
    assert [finding.code for finding in found] == ["BN101"]
