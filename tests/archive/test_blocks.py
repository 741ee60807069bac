"""Arrays in blocks: every value once, in order, and none of them large."""

import math

import numpy as np
import pytest

from kerasbn.archive import blocks

SHAPES = [
    (),
    (0, 3),
    (5,),
    (2**21 + 3,),
    (3, 3, 512, 513),
    (1, 2, 700_001),
    (700_001, 3, 1),
    (3, 2**20, 2),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_value_once_and_in_stored_order(shape):
    numbers = np.arange(math.prod(shape), dtype=np.int32).reshape(shape)
    found = [numbers[place] for place in blocks(shape)]
    sizes = [block.size for block in found]
    assert max(sizes, default=0) <= 2**19
    assert len(sizes) <= 1 + 4 * numbers.size / 2**19
    together = [block.reshape(-1) for block in found] or [numbers.reshape(-1)]
    assert np.array_equal(np.concatenate(together), numbers.reshape(-1))
