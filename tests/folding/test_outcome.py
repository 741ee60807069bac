"""What is not equal is said in words, also where no number says it."""

import numpy as np
import pytest

from kerasbn.folding.outcome import Proof


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (Proof("whole", False, 0.5, 0.25), "5.0e-01 in float64, 2.5e-01 in its own"),
        (Proof("parts", False, 0.5), "relative error 5.0e-01 in float64"),
        (Proof("whole", False, np.inf), "differ in shape"),
        (Proof("whole", False, 1e-16, np.inf), "differ in shape"),
        (Proof("whole", False, np.inf, problem="it cannot be run"), "it cannot be run"),
    ],
)
def test_a_difference(proof, words):
    assert words in proof.difference
    assert "inf" not in proof.difference
