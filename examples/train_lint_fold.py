"""The whole circle on real data: train, lint, put right, train, fold, ship.

    python examples/train_lint_fold.py

The data are scikit-learn's digits: 1797 images of 8 x 8 pixels, which ship with the
package. Everything that is written goes into the folder `train_lint_fold`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median


@contextmanager
def silent_stderr():
    """Drop what C++ libraries write while they load; errors are raised, not written."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


with silent_stderr():
    import keras

    keras.ops.zeros(1)  # The backend starts with the first operation.

import digits_right
import digits_wrong
import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import kerasbn

mpl.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(os.path.relpath(Path(__file__).parent))
OUT = Path("train_lint_fold")
EPOCHS = 15
CAPTION = """test accuracy by epoch, of the wrong network and the right one, once with
running statistics (as `predict`) and once with those of the batch (as in training).
In the wrong one running statistics win: they never moved from mean 0 and variance 1, so
it was trained without normalization, and that is how `predict` runs it. Batch
statistics normalize layers that were never trained so. In the right one the two meet
as soon as the running statistics have converged."""
RUNNING, BATCH = "running statistics", "batch statistics"


def main() -> None:
    """Run every step and say what it shows."""
    OUT.mkdir(exist_ok=True)
    keras.utils.set_random_seed(0)
    images, digits = load_digits(return_X_y=True)
    data = train_test_split(
        images.reshape(-1, 8, 8).astype("float32"),
        digits,
        test_size=0.25,
        random_state=0,
        stratify=digits,
    )

    title("1. Train a network as it is often written (examples/digits_wrong.py)")
    wrong = train(digits_wrong.build, data, OUT / "wrong.keras")

    title("2. What model-lint says of its source and of its file")
    lint(HERE / "digits_wrong.py", OUT / "wrong.keras")

    title("3. Train it put right (examples/digits_right.py), and lint that")
    right = train(digits_right.build, data, OUT / "right.keras")
    lint(HERE / "digits_right.py", OUT / "right.keras")

    title("4. Fold its BN for inference")
    result = kerasbn.fold_file(OUT / "right.keras", OUT / "folded.keras", force=True)
    print(result)
    compare(OUT / "right.keras", OUT / "folded.keras", data[1], data[3])

    plot({"wrong": wrong, "right": right}, OUT / "accuracy.png")
    print(f"\n{OUT / 'accuracy.png'}: {CAPTION}")


def title(text: str) -> None:
    """Print a heading."""
    print(f"\n=== {text}\n", flush=True)


class AccuracyBothWays(keras.callbacks.Callback):
    """Test accuracy after each epoch, with running and with batch statistics.

    A twin of the model is asked, because BN in training mode changes its statistics.
    """

    def __init__(self, build, images, digits) -> None:
        super().__init__()
        self.twin, self.images, self.digits = build(), images, digits
        self.history: dict[str, list[float]] = {RUNNING: [], BATCH: []}

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Measure and print."""
        for name, training in ((RUNNING, False), (BATCH, True)):
            self.twin.set_weights(self.model.get_weights())
            scores = keras.ops.convert_to_numpy(
                self.twin(self.images, training=training)
            )
            self.history[name].append(float(np.mean(scores.argmax(1) == self.digits)))
        shown = ", ".join(f"{100 * v[-1]:5.1f} % {k}" for k, v in self.history.items())
        print(f"epoch {epoch + 1:2} of {EPOCHS}: test accuracy {shown}", flush=True)


def train(build, data, path: Path) -> dict[str, list[float]]:
    """Fit a model, save it, and return its test accuracy by epoch."""
    train_images, test_images, train_digits, test_digits = data
    model = build()
    model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    accuracy = AccuracyBothWays(build, test_images, test_digits)
    model.fit(
        train_images,
        train_digits,
        batch_size=32,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[accuracy],
    )
    model.save(path)
    return accuracy.history


def lint(*targets: Path) -> None:
    """Run model-lint as a user would."""
    print(f"$ model-lint {' '.join(map(str, targets))}", flush=True)
    subprocess.run([Path(sys.executable).with_name("model-lint"), *targets])


def compare(original: Path, folded: Path, images, digits) -> None:
    """Accuracy and latency of both files; the latter in turn, so noise is shared."""
    models = [keras.models.load_model(path) for path in (original, folded)]
    for name, model in zip(("original", "folded"), models, strict=True):
        correct = np.mean(model.predict(images, verbose=0).argmax(1) == digits)
        print(f"  test accuracy {name:8}: {100 * correct:.1f} %")

    batch = images[:64]
    seconds: list[list[float]] = [[], []]
    for repeat in range(60):
        for taken, model in zip(seconds, models, strict=True):
            start = time.perf_counter()
            model.predict_on_batch(batch)
            if repeat >= 10:  # The first calls compile.
                taken.append(time.perf_counter() - start)
    ratios = sorted(before / after for before, after in zip(*seconds, strict=True))
    low, high = ratios[12], ratios[37]
    verdict = "the folded one is faster" if low > 1 else "no clear difference here"
    print(
        f"  seconds for a batch of 64, original over folded: {median(ratios):.2f} "
        f"(middle half of 50 pairs: {low:.2f} to {high:.2f}): {verdict}"
    )


def plot(histories: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Draw the accuracy by epoch, one panel per model."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    epochs = range(1, EPOCHS + 1)
    for panel, (name, history) in zip(panels, histories.items(), strict=True):
        for (label, accuracy), style in zip(
            history.items(), ("o-", "s--"), strict=True
        ):
            panel.plot(epochs, accuracy, style, label=label)
        panel.set(title=f"digits_{name}.py", xlabel="epoch", ylim=(0, 1.02))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("test accuracy")
    panels[1].legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
