"""Batch normalization in NumPy and float64, from its closed forms.

Written from the formulas of Ioffe and Szegedy (2015) and independent of the
package. `axes` are the kept axes, not negative.
"""

import numpy as np


def reduced(x, axes):
    return tuple(a for a in range(np.ndim(x)) if a not in axes)


def moments(x, axes):
    x = np.asarray(x, "float64")
    return x.mean(reduced(x, axes)), x.var(reduced(x, axes))


def masked_moments(x, axes, mask):
    """Mean, variance and count of the unmasked elements of each kept index."""
    x = np.asarray(x, "float64")
    mask = np.broadcast_to(np.asarray(mask, bool)[..., None], x.shape)
    kept_first = sorted(axes) + list(reduced(x, axes))
    shape = [x.shape[a] for a in sorted(axes)]
    rows = x.transpose(kept_first).reshape(int(np.prod(shape)), -1)
    chosen = mask.transpose(kept_first).reshape(rows.shape)
    samples = [row[keep] for row, keep in zip(rows, chosen, strict=True)]
    mean = [s.mean() if s.size else 0.0 for s in samples]
    variance = [s.var() if s.size else 0.0 for s in samples]
    count = [s.size for s in samples]
    return tuple(np.reshape(values, shape) for values in (mean, variance, count))


def normalize(x, axes, mean, variance, gamma, beta, epsilon=1e-3):
    x = np.asarray(x, "float64")
    shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
    kept = [n for a, n in enumerate(x.shape) if a in axes]
    mean, variance, gamma, beta = (
        np.broadcast_to(np.asarray(t, "float64"), kept).reshape(shape)
        for t in (mean, variance, gamma, beta)
    )
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def gradients(x, axes, upstream, gamma, epsilon=1e-3):
    """Gradients of sum(upstream * y) by x, gamma and beta in training mode."""
    x, upstream = np.asarray(x, "float64"), np.asarray(upstream, "float64")
    over = reduced(x, axes)
    mean, variance = x.mean(over, keepdims=True), x.var(over, keepdims=True)
    x_hat = (x - mean) / np.sqrt(variance + epsilon)
    by_gamma, by_beta = (upstream * x_hat).sum(over), upstream.sum(over)
    centered = (
        upstream
        - upstream.mean(over, keepdims=True)
        - x_hat * (upstream * x_hat).mean(over, keepdims=True)
    )
    gamma = np.expand_dims(np.asarray(gamma, "float64"), over)
    return gamma / np.sqrt(variance + epsilon) * centered, by_gamma, by_beta


def moving_average(start, batches, momentum):
    for batch in batches:
        start = momentum * start + (1 - momentum) * batch
    return start


def debiased_average(batches, momentum):
    """The exponential moving average that forgets its start: weights sum to 1."""
    ages = np.arange(len(batches))[::-1]
    return np.average(batches, axis=0, weights=momentum**ages)
