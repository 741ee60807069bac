"""BN301: a TensorFlow 1 training op that does not run the updates."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..findings import Severity
from ..subjects import source
from .rule import Rule

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from ..findings import Finding
    from ..subjects.source import Module


class UpdateOpsNeverRun(Rule):
    """In TensorFlow 1, nothing runs the updates of the running statistics.

    ## What it does
    Reports `optimizer.minimize` and `apply_gradients` of TensorFlow 1 where the network
    holds `tf.layers.batch_normalization`, or `batch_norm` of contrib or slim, and
    nothing in the module, in what it calls or in what imports it runs the collection
    `UPDATE_OPS`; also where one file builds the network and a function in another makes
    its training op. A function that makes a training op for any loss is reported as
    info where the project builds such layers and no file of it runs updates. With
    `updates_collections=None`, `slim.learning.create_train_op` or
    `tf.contrib.layers.optimize_loss` there is nothing to do.

    Fetching the collection without using it, or before the layers are made, is not
    enough, nor is a `tf.control_dependencies` in which no op is made. Where the network
    is not seen, such a fetch is a warning, and so is one that asks the default graph
    where another is made, or for a scope that nothing is in. For Keras layers, whose
    updates are in no collection, it is a warning where nothing asks for `updates` and
    the layers are put in training mode, else it is reported as info. So is such a layer
    that is made and called at once, where other files run the collection, and a `with`
    on all updates around the training ops of several networks, as of an adversarial
    one. A `K.function` that trains by `optimizer.get_updates` alone is a warning if it
    is given the learning phase.

    ## Why is this bad
    In TensorFlow 1 batch normalization only collects the ops that update its running
    statistics: unless the training op depends on them, they never run, and inference
    normalizes with mean 0 and variance 1.

    ## Limits
    The rule checks that some op is built inside `tf.control_dependencies`, not that it
    is the training op. Batch normalization that always gets the same phase does not
    need the statistics (BN103, BN302).

    ## References
    - https://www.tensorflow.org/api_docs/python/tf/compat/v1/layers/batch_normalization
    """

    code = "BN301"
    name = "update-ops-never-run"
    severity = Severity.ERROR
    bad = """\
import tensorflow as tf

x = tf.placeholder(tf.float32, (None, 4))
is_training = tf.placeholder(tf.bool)
hidden = tf.layers.batch_normalization(x, training=is_training)
loss = tf.reduce_mean(tf.layers.dense(hidden, 1) ** 2)
train_op = tf.train.AdamOptimizer().minimize(loss)
"""
    good = """\
import tensorflow as tf

x = tf.placeholder(tf.float32, (None, 4))
is_training = tf.placeholder(tf.bool)
hidden = tf.layers.batch_normalization(x, training=is_training)
loss = tf.reduce_mean(tf.layers.dense(hidden, 1) ** 2)
with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
    train_op = tf.train.AdamOptimizer().minimize(loss)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report every training op, where nothing runs the updates."""
        yield from self._other_routes(module)
        if not module.mentions("minimize(", "apply_gradients("):
            yield from self._layers_alone(module)
            return
        yield from self._shared(module)
        ops = list(source.training_ops(module))
        if lost := [op for op in ops if source.loses_updates(module, op)]:
            yield from map(partial(self._lost, module), lost)
        elif ops:
            yield from (
                list(self._in_vain(module))
                or list(self._in_layers(module, ops))
                or self._out_of_sight(module)
            )

    def _other_routes(self, module: Module) -> Iterator[Finding]:
        """Report training by tensorpack and by `K.function`."""
        for made in source.handed_to_tensorpack(module):
            yield self.finding(
                "tensorpack runs the collection of updates, but those of batch "
                "normalization that is a Keras layer are in none; add them, by "
                "tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, update) for each of "
                "layer.updates",
                module.location(made),
                Severity.WARNING,
            )
        for function, surely in source.trained_without_updates(module):
            yield self.finding(
                "this trains batch normalization, and runs the updates of the "
                "optimizer alone, so the running statistics never move; add "
                "model.updates to them",
                module.location(function),
                Severity.WARNING if surely else Severity.INFO,
            )

    def _shared(self, module: Module) -> Iterator[Finding]:
        """Report updates of several networks that each training op runs."""
        for shared in source.shared_updates(module):
            yield self.finding(
                "each of the training ops in here runs the updates of all networks, so "
                "that the running statistics of one also move in the steps of another; "
                "give each op the updates of its own network, by the scope of "
                "tf.get_collection(tf.GraphKeys.UPDATE_OPS, scope)",
                module.place(module.start(shared), module.end(shared.items[-1])),
                Severity.INFO,
            )

    def _lost(self, module: Module, op: ast.Call) -> Finding:
        return self.finding(
            "nothing runs the updates of batch normalization, so its running "
            "statistics never move; build this op under "
            "tf.control_dependencies(tf.get_collection("
            "tf.GraphKeys.UPDATE_OPS))",
            module.location(op),
        )

    def _in_vain(self, module: Module) -> Iterator[Finding]:
        """Report updates that are fetched, and do not run."""
        for fetched, why, remedy in source.fetched_in_vain(module):
            yield self.finding(
                f"the updates of batch normalization that are fetched here never "
                f"run: {why}; {remedy}",
                module.location(fetched),
                Severity.WARNING,
            )

    def _in_layers(self, module: Module, ops: list[ast.Call]) -> Iterator[Finding]:
        """Report training ops beside Keras layers, whose updates nothing runs."""
        if not source.leaves_updates_in_layers(module):
            return
        severity = Severity.WARNING if source.trains_layers(module) else Severity.INFO
        for op in ops:
            yield self.finding(
                "nothing runs the updates of batch normalization, which as a Keras "
                "layer adds them to no collection; build this op under "
                "tf.control_dependencies(layer.updates)",
                module.location(op),
                severity,
            )

    def _out_of_sight(self, module: Module) -> Iterator[Finding]:
        """Report training ops in a project that builds BN and runs no updates."""
        for op in source.updates_out_of_sight(module):
            yield self.finding(
                "the project builds batch normalization, and nothing in it runs "
                "the updates: if this op trains that, its running statistics never "
                "move; build this op under tf.control_dependencies("
                "tf.get_collection(tf.GraphKeys.UPDATE_OPS))",
                module.location(op),
                Severity.INFO,
            )

    def _layers_alone(self, module: Module) -> Iterator[Finding]:
        """Report Keras layers whose updates no other file of the project can run."""
        for layer in source.layers_out_of_sight(module):
            yield self.finding(
                "the project runs the collection of updates, but those of batch "
                "normalization that is a Keras layer are in none; keep the layer, and "
                "add them, by tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, update) "
                "for each of layer.updates",
                module.location(layer),
                Severity.INFO,
            )
