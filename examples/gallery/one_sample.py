"""What does batch normalization do to one sample at a time?

In training mode a batch is normalized with its own mean and variance. The mean of a
single vector is the vector itself, so the result is 0, and after gamma and beta it is
beta, whatever the input. Here networks for scikit-learn's digits are trained as they
should be, without the training flag (a `call` that lacks `training`), and on one sample
at a time; and each is then used in both modes, with batches of 1 to 450.

**Result.** One vector in training mode comes out as beta exactly, and so the dense
network names the same digit for all of them: 10 %, where inference is right on 98 %.
It takes batches of 16 to 32 to come close, and they must be mixed: with 32 samples of
the same digit it is right on a quarter only. Images are another matter: each has pixels
to take statistics of, and the convolutional network loses nothing on single images, but
up to a sixth in batches of the same digit. Without the flag in training, the statistics
never move, and `model-lint` says so; the network learns as one without normalization
and is two points worse. Trained on one vector at a time, the layers in front of batch
normalization get no gradient, exactly, and the network learns nothing.
"""

from __future__ import annotations

import numpy as np
from common import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    Trainer,
    accuracy,
    array,
    band,
    command,
    convolutional,
    dense,
    digits,
    keras,
    panels,
    sentence,
    spread,
    table,
)

import kerasbn
import lint

SIZES = [1, 2, 4, 8, 16, 32, 128, 450]
MOST_BATCHES = 30
RIGHT, NO_FLAG, SINGLE = "with the flag", "without the flag", "on single samples"
DENSE, CONV = "dense", "convolutional"


class WithoutFlag(keras.Model):
    """A network whose `call` lacks `training`, so that `fit` cannot pass it on."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = dense_network()

    def call(self, images):
        return self.inner(images)


def dense_network():
    """Build the dense network: 64, 64, 64 and 10."""
    return dense((8, 8), [64, 64], momentum=0.9)


def run(short: bool = False) -> dict:
    """Train in three ways and use the results in both modes.

    Returns:
        A dict of `beta_error`, the largest distance of one normalized vector from
        beta; `image_std`, the standard deviation of one normalized image; `by_size`,
        lists of runs by (network, whether a batch has digits of one kind only);
        `inference`, runs by network; `ways`, runs of (inference, training mode) by way
        of training; `still`, how far the first weights moved on single samples;
        `findings`, the codes that the lint reports for the network without the flag.
    """
    data = digits()
    seeds = range(1 if short else 5)
    steps, sizes = (60, SIZES[:6:5]) if short else (600, SIZES)
    results: dict = {"sizes": sizes, "by_size": {}, "inference": {}, "ways": {}}
    results |= one_vector_and_one_image(data)

    for name, build in (
        (DENSE, dense_network),
        (CONV, lambda: convolutional([16, 32])),
    ):
        trainer = Trainer(build)
        mixed, alike, inference, ways = [], [], [], []
        for seed in seeds:
            trainer.start(seed).train(data, steps)
            inference.append(trainer.accuracy(data))
            mixed.append([in_batches(trainer.model, data, n) for n in sizes])
            few = [size for size in sizes if size <= 32]  # of one digit there are 45
            alike.append([in_batches(trainer.model, data, n, True) for n in few])
            ways.append((inference[-1], trainer.accuracy(data, training=True)))
        results["by_size"][name, False] = mixed
        results["by_size"][name, True] = alike
        results["inference"][name] = inference
        if name == DENSE:
            results["ways"][RIGHT] = ways

    trainer, ways = Trainer(built_without_flag), []
    for seed in seeds:
        trainer.start(seed).train(data, steps)
        inner = trainer.model.inner
        modes = [
            accuracy(inner, data.x_val, data.y_val, mode) for mode in (False, True)
        ]
        ways.append(tuple(modes))
    results["ways"][NO_FLAG] = ways
    found = lint.check(trainer.model)
    results["findings"] = sorted({finding.code for finding in found})

    trainer, ways, moved = Trainer(dense_network), [], []
    for seed in seeds:
        first = first_weights(trainer.start(seed))
        trainer.train(data, steps, batch=1)
        moved.append(np.abs(first_weights(trainer) - first).max())
        ways.append((trainer.accuracy(data), trainer.accuracy(data, training=True)))
    results["ways"][SINGLE] = ways
    results["still"] = max(moved)
    return results


def first_weights(trainer: Trainer) -> np.ndarray:
    """Give the weights of the first layer."""
    return array(trainer.model.get_layer("dense1").kernel)


def built_without_flag() -> WithoutFlag:
    """Build the network without the flag."""
    model = WithoutFlag()
    model(np.zeros((1, 8, 8), "float32"))
    return model


def one_vector_and_one_image(data) -> dict[str, float]:
    """Normalize single samples with the layer alone, with gamma and beta at random."""
    rng = np.random.default_rng(0)
    layer = kerasbn.BatchNormalization()
    layer.build((None, 64))
    layer.gamma.assign(rng.normal(size=64))
    layer.beta.assign(rng.normal(size=64))
    beta = array(layer.beta)
    errors = [
        np.abs(array(layer(row[None], training=True)) - beta).max()
        for row in data.flat().x_val[:100]
    ]
    image = kerasbn.BatchNormalization()(data.x_val[:1, ..., None], training=True)
    return {"beta_error": float(max(errors)), "image_std": float(np.std(array(image)))}


def in_batches(model, data, size: int, alike: bool = False) -> float:
    """Give the accuracy in training mode, in batches of mixed digits or of one kind."""
    order = np.argsort(data.y_val, kind="stable") if alike else np.arange(450)
    x, y = data.x_val[order], data.y_val[order]
    kept = model.get_weights()
    starts = np.arange(0, len(x) - size + 1, size)
    if len(starts) > MOST_BATCHES:
        starts = starts[:: len(starts) // MOST_BATCHES]
    right = [
        array(model(x[i : i + size], training=True)).argmax(-1) == y[i : i + size]
        for i in starts
    ]
    model.set_weights(kept)
    return 100 * float(np.mean(np.concatenate(right)))


def report(results: dict) -> str:
    """Set out the tables and say what they show."""
    rows, sizes = [], results["sizes"]
    for (network, alike), runs in results["by_size"].items():
        name = f"{network}, {'one kind of digit' if alike else 'mixed digits'}"
        cells = [spread(values, ".0f") for values in zip(*runs, strict=True)]
        inference = "" if alike else spread(results["inference"][network], ".0f")
        rows.append([name, *cells, *[""] * (len(sizes) - len(cells)), inference])
    ways = [
        [way, *(spread(values) for values in zip(*runs, strict=True))]
        for way, runs in results["ways"].items()
    ]
    by_way = {way: np.median(runs, axis=0) for way, runs in results["ways"].items()}
    one = np.median([run[0] for run in results["by_size"][DENSE, False]])
    conv = np.median([run[0] for run in results["by_size"][CONV, False]])
    count = len(results["ways"][RIGHT])
    return "\n\n".join(
        [
            f"Accuracy in % in training mode, by samples in a batch; median (range) of "
            f"{count} runs",
            table(["", *map(str, sizes), "inference"], rows),
            "Accuracy in % of the dense network, by how it was trained",
            table(["trained", "inference mode", "training mode"], ways),
            sentence(
                "In training mode, one vector comes out as beta (largest difference "
                f"of 100: {results['beta_error']:g}), so the dense network gives "
                f"{one:.0f} % on single samples where inference gives "
                f"{by_way[RIGHT][0]:.1f} %. An image has pixels to take statistics of: "
                f"the convolutional network gives {conv:.0f} %. Trained without the "
                f"flag, statistics stay 0 and 1 (model-lint: "
                f"{', '.join(results['findings'])}), the network is one without "
                f"normalization and gives {by_way[NO_FLAG][0]:.1f} %, but "
                f"{by_way[NO_FLAG][1]:.1f} % once its layers do normalize. Trained on "
                f"single samples, the first weights moved by {results['still']:g}, and "
                f"it gives {by_way[SINGLE][0]:.1f} %."
            ),
        ]
    )


def draw(results: dict):
    """Draw accuracy by the size of a batch, and by way of training."""
    figure, axes = panels(1, 2, width=10.5, height=4)
    left, right = axes[0]
    for (network, alike), runs in results["by_size"].items():
        colour = {DENSE: BLUE, CONV: ORANGE}[network]
        name = f"{network}, {'one kind of digit' if alike else 'mixed digits'}"
        style = "s:" if alike else "o-"
        band(left, results["sizes"][: len(runs[0])], runs, colour, name, style)
    inference = np.median(results["inference"][DENSE])
    left.axhline(inference, color=BLACK, ls="--", lw=1)
    left.text(450, inference - 1.5, "inference, dense", ha="right", va="top")
    left.set_xscale("log", base=2)
    left.set_xticks(SIZES, [str(size) for size in SIZES])
    left.set(
        xlabel="samples in a batch",
        ylabel="accuracy in %",
        ylim=(0, 102),
        title="training mode on a trained network",
    )
    left.legend(fontsize="small", loc="center right", bbox_to_anchor=(1, 0.58))
    _bars(right, results["ways"])
    return figure


def _bars(panel, ways: dict) -> None:
    for shift, mode, colour in ((-0.2, 0, GREEN), (0.2, 1, PURPLE)):
        for place, runs in enumerate(ways.values()):
            values = np.array(runs)[:, mode]
            middle = float(np.median(values))
            error = [[middle - values.min()], [values.max() - middle]]
            label = ("inference mode", "training mode")[mode] if not place else None
            panel.bar(place + shift, middle, 0.38, color=colour, label=label)
            panel.errorbar(place + shift, middle, error, color=BLACK, capsize=3)
            panel.text(place + shift, 3, f"{middle:.0f}", ha="center", color="white")
    panel.set_xticks(range(len(ways)), [f"trained\n{way}" for way in ways])
    panel.set(ylim=(0, 120), title="dense network, by how it was trained")
    panel.legend(fontsize="small", loc="upper right", ncols=2)


if __name__ == "__main__":
    command(__file__, __doc__, run, report, draw)
