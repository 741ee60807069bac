"""Fold every model of keras.applications that has BN, and prove it; print the result.

Usage: `python -m tests.folding.all_applications [NAME...]`. It takes a while and exits
with 1 if a float64 error exceeds 1e-9 or fewer BN go than are known to.
"""

import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import kerasbn

# All of the 3610 but those that read tensors which others read, too, before a
# nonlinearity: 62, 86 and 102 in DenseNet, 17, 34 and 51 in ResNetV2. Correcting the
# other readers saves one BN of each stage of these.
LEAST = 3258


def names():
    """Every function of keras.applications that builds a model with BN."""
    return sorted(
        name
        for name, member in vars(keras.applications).items()
        if name[0].isupper() and callable(member)
        if not name.startswith(("ConvNeXt", "VGG"))
    )


def lively(model):
    """Give every BN statistics and weights of its own."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 1, shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, shape))
            if layer.gamma is not None:
                layer.gamma.assign(rng.uniform(0.5, 1.5, shape))
            layer.beta.assign(rng.normal(0, 0.3, shape))
    return model


def fold(name, folder):
    """Fold one model; return how many BN went, how many there were, and the error."""
    keras.backend.clear_session()
    build = getattr(keras.applications, name)
    model = lively(build(weights=None, include_top=False, input_shape=(96, 96, 3)))
    source, destination = Path(folder) / "in.keras", Path(folder) / "out.keras"
    model.save(source)
    del model
    start = time.perf_counter()
    result = kerasbn.fold_file(source, destination, force=True)
    seconds = time.perf_counter() - start
    live = kerasbn.fold_batch_norm(keras.models.load_model(source), verify=False).model
    same = all(
        np.array_equal(one, other)
        for one, other in zip(
            live.get_weights(),
            keras.models.load_model(destination).get_weights(),
            strict=True,
        )
    )
    forward = sum(entry["route"] == "forward" for entry in result.folded)
    error = result.error["float64"]
    print(
        f"{name:20} {len(result.folded):4} of {result.batch_norms:4} BN, {forward} "
        f"forward, {error:.0e} in float64, {result.error['float32']:.0e} of "
        f"{result.noise:.0e} in float32, {seconds:5.1f} s, live the same: {same}",
        flush=True,
    )
    return len(result.folded), result.batch_norms, error if same else np.inf


def main():
    """Fold the models named on the command line, or all."""
    with tempfile.TemporaryDirectory() as folder:
        found = [fold(name, folder) for name in sys.argv[1:] or names()]
    folded, batch_norms, errors = zip(*found, strict=True)
    print(f"{sum(folded)} of {sum(batch_norms)} BN; worst error {max(errors):.0e}")
    short = not sys.argv[1:] and sum(folded) < LEAST
    return int(short or max(errors) > 1e-9)


if __name__ == "__main__":
    sys.exit(main())
