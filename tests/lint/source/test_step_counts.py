"""How many steps a training has, as far as its source says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lint.subjects.source import Project, module_from_bytes
from lint.subjects.source.training.step_counts import most_steps

DATA = """\
import math, keras, numpy as np
from keras.datasets import mnist
(x, y), (x_test, y_test) = mnist.load_data()
BATCH, EPOCHS = 128, 3
"""


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("model.fit(d, steps_per_epoch=7, epochs=2)", 14),
        ("n = 5\nmodel.fit(d, steps_per_epoch=2 * n + 1, epochs=n - 1)", 44),
        ("n = 10 ** 3\nmodel.fit(d, steps_per_epoch=n)", 1000),
        ("n = 10 % 7\nmodel.fit(d, steps_per_epoch=n)", None),
        ("n = 1 // 0\nmodel.fit(d, steps_per_epoch=n)", None),
        ("n = n + 1\nmodel.fit(d, steps_per_epoch=n)", None),
        ("model.fit(d, steps_per_epoch=math.ceil(10 / 3))", 4),
        ("model.fit(d, steps_per_epoch=int(np.floor(10 / 3)))", 3),
        ("model.fit(d, steps_per_epoch=len(x) // 128, epochs=2)", 936),
        ("model.fit(d, steps_per_epoch=x.shape[0] / 128)", 469),
        ("x = x.astype('float32') / 255\nmodel.fit(x, y)", 1875),
        ("x = np.expand_dims(x, -1)\nmodel.fit(x, y, batch_size=60)", 1000),
        ("model.fit(x=x, batch_size=BATCH)", 469),
        ("model.fit(x_test, batch_size=60)", None),
        ("model.fit(x, y, 128, 100)", None),
        ("model.fit(x, **options)", None),
        ("model.fit(x, nb_epoch=9)", None),
        ("model.fit(x, batch_size=0)", None),
        ("x = np.concatenate([x, x])\nmodel.fit(x)", None),
        ("x = shuffled(x)\nmodel.fit(x)", None),
        ("if more:\n    x = other()\nmodel.fit(x)", None),
        ("model.fit(x)\nmodel.fit(d)", None),
        ("for _ in range(3):\n    model.fit(x)", None),
        ("def main():\n    model.fit(x)\nmain()", 1875),
        ("def main():\n    model.fit(x)\nif __name__ == '__main__':\n    main()", 1875),
        ("if more:\n    model.fit(x)", None),
        ("def main():\n    model.fit(x)\nmain()\nmain()", None),
        ("def main():\n    model.fit(x)", None),
        ("def main():\n    model.fit(x)\n    main()", None),
        ("def main():\n    model.fit(x)\nfor _ in y:\n    main()", None),
        ("def main():\n    model.fit(x)\nmain()\nrun(main)", None),
    ],
)
def test_most_steps(text: str, steps: int | None) -> None:
    data = (DATA + text).encode()
    module = module_from_bytes(data, Path("a.py"), Project(Path("none")))
    assert most_steps(module) == steps


@pytest.mark.parametrize("number", ["1e400", "1e300 * 1e300", "2.5e308 / 1e-300"])
def test_numbers_without_end(number: str) -> None:
    text = f"model.fit(d, steps_per_epoch={number}, epochs=2)".encode()
    module = module_from_bytes(text, Path("a.py"), Project(Path("none")))
    assert most_steps(module) is None


def test_what_branches_again_and_again() -> None:
    doubled = "".join(f"n{i + 1} = n{i} + n{i}\n" for i in range(28))
    text = f"n0 = 1\n{doubled}model.fit(d, steps_per_epoch=n28)"
    module = module_from_bytes(text.encode(), Path("a.py"), Project(Path("none")))
    assert most_steps(module) in (2**28, None)
