"""BN102: a training step that calls its network in inference mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import names, source
from .harm import harm
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding, Fix
    from ..subjects.source import Module


class TrainingStepWithoutTraining(Rule):
    """A training step calls a network with batch normalization without `training`.

    ## What it does
    Reports calls of a network that holds batch normalization, without `training=True`,
    where gradients are taken to train it: under `tf.GradientTape`, in a function
    differentiated by JAX, by `stateless_call` or under a `keras.StatelessScope`, before
    PyTorch's `loss.backward()` or `torch.autograd.grad`, in the `forward` of a module
    of PyTorch and the `training_step` of Lightning. It is a warning where the
    network only has dropout or noise. Functions of the project are followed, with the
    flags that they pass on, and networks that other files pass to a step are seen; so
    are the methods, and networks, that subclasses give to the step of a base class. A
    flag that is lost in another file is reported there; at the step, if that file is
    not linted.

    Of the networks that are only passed in, loaded, or made by another library, with
    nothing else known, the first in a file is reported as info; methods that the step
    of a base class in another file runs are seen. So is, as info, the first call
    without a phase in each `compute_loss`, `compute_metrics` or other loss of a Keras
    class, as these run beside `call`, where no phase is inherited; and training=False
    where TensorFlow's gradients train that network. That is a warning if the network
    holds batch normalization, is made in the same file, and neither loads weights nor
    gets training=True there.

    Gradients that no optimizer applies, networks that are not trained there, frozen
    ones and those whose `call` has the default `training=True` are left alone. A step
    may return its gradients to a file that applies them, or add them up for another
    function; and a network that a loop freezes for the evaluation of each round is
    trained.

    ## Why is this bad
    A network that is called without `training` in a step of your own runs in inference
    mode: the running statistics never move, and dropout never drops. PyTorch's
    `model.train()` does not set the phase either; in a module of PyTorch, pass
    `training=self.training`.

    ## Fix
    Adds `training=True` to the call, or `training=self.training` in `forward`. In a
    function that an evaluation may share, the fix is unsafe.

    ## Limits
    Two networks are the same only if they were made at the same place: where it is
    unclear which network the gradients are for, nothing is reported. Functions with a
    tape of their own are not followed from an outer one.

    ## References
    - https://keras.io/guides/writing_a_custom_training_loop_in_tensorflow/
    - https://keras.io/guides/custom_train_step_in_tensorflow/
    """

    code = "BN102"
    name = "training-step-without-training"
    severity = Severity.ERROR
    bad = """\
import keras
import numpy as np
import tensorflow as tf

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [keras.Input((4,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
)
optimizer = keras.optimizers.SGD(0.01)


def train_step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x) - y) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))


x = np.random.default_rng(0).normal(5, 2, size=(32, 4)).astype("float32")
train_step(x, x[:, :1])
"""
    good = bad.replace("model(x)", "model(x, training=True)")
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.layers[0].moving_mean)
healthy = bool(np.abs(moving_mean).max() > 0)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every call in a training step that leaves out `training`."""
        known = list(source.lost_flags(module))
        nodes = source.steps_losing_flags(module) | {lost.node for lost in known}
        for call, network in source.handed_in_networks(module):
            if call in nodes:
                continue
            yield self.finding(
                f"{network}(...) in a training step without training=True: if this "
                "network, which is not in sight, holds batch normalization or dropout, "
                "it never updates its statistics and never drops; pass training=True",
                module.location(call),
                Severity.INFO,
            )
        for outside in source.outside_calls(module):
            if outside.call in nodes:
                continue
            yield self.finding(
                f"{outside.called}(...) in {outside.method} without training: this is "
                "run beside `call`, not in it, so nothing sets the phase, and what "
                "depends on it stays in inference mode in training, too; pass "
                "training=True where it is for training",
                module.location(outside.call),
                Severity.INFO,
            )
        for lost in known:
            if lost.is_false:
                surely = lost.is_fresh and names.BATCH_NORM in lost.kinds
                yield self.finding(
                    f"{lost.called}(...) {lost.how} gets training=False, though it is "
                    f"trained there: it runs in inference mode, so {harm(lost.kinds)}; "
                    "pass training=True, unless it is to be tuned as it infers",
                    module.location(lost.node),
                    Severity.WARNING if surely else Severity.INFO,
                )
                continue
            yield self.finding(
                f"{_network(module, lost)} {lost.how} without {lost.flag}: it runs "
                f"in inference mode, so {harm(lost.kinds)}; {_remedy(module, lost)}",
                module.location(lost.node),
                None if names.BATCH_NORM in lost.kinds else Severity.WARNING,
                _fix(module, lost),
            )


def _network(module: Module, lost: source.LostFlag) -> str:
    """Return the call as written, and its place if the finding is elsewhere."""
    written = f"{lost.called}(...)"
    if lost.is_call or lost.call is None or lost.home in (None, module):
        return written
    assert lost.home is not None
    return f"{written} in line {lost.call.lineno} of {lost.home.path.name}"


def _remedy(module: Module, lost: source.LostFlag) -> str:
    is_elsewhere = lost.home is not None and lost.home is not module
    of_step = lost.flag == "training=True"
    if of_step and lost.is_call and lost.shared and is_elsewhere:
        return "pass training=True, by a parameter where an evaluation shares this"
    return f"pass {lost.flag}"


def _fix(module: Module, lost: source.LostFlag) -> Fix | None:
    """Return the fix; it is unsafe in a function that an evaluation may share."""
    if not lost.is_call:
        return None
    return source.with_argument(module, lost.node, lost.flag, safe=not lost.shared)
