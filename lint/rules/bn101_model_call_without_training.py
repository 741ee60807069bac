"""BN101: a model class whose `call` cannot receive `training`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ..findings import Severity
from ..semantics import CALL_NEEDS_TRAINING, keras_of_model
from ..subjects import names, source
from ..subjects.flagged_layers import unflagged_behaviours
from ..subjects.live_call import call_lacks_training, kinds_in
from .harm import harm
from .rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..findings import Finding, Fix
    from ..subjects.model import Model
    from ..subjects.source import Module

_ALONE = (
    "run with training=True by itself before Keras 3.12, or by a model whose call "
    "lacks it too"
)
_IN_GENERAL = (
    "where nothing around it sets the phase, as in a training step of your own, in a "
    "tf.Module or by layer.call(...)"
)
# Wrappers that leave the signature of `call` as it is.
_TRANSPARENT = ("tf.function", "tensorflow.function", "function", "typechecked")


class ModelCallWithoutTraining(Rule):
    """A Keras model class whose `call` lacks `training` holds layers that need it.

    ## What it does
    Reports the `call` of a `keras.Model` subclass that has no parameter `training`, if
    the class holds, itself or in a block, batch normalization, dropout, noise or random
    augmentation whose own call leaves the phase open. It is a warning where nothing in
    sight fits the class. It is not reported where the class is only a part of other
    networks, only infers, borrows the layers of a network that is trained, has its own
    `train_step`, always receives the phase, or is put in training mode by a loop. It is
    reported as info where such a layer is only one of several alternatives, where the
    name of an unfitted class says block or layer, or where the project trains by steps
    of its own that pass the phase, and nothing else may fit the class.

    So is a model that is fitted and defines `__call__` in place of `call`.

    A layer class with such a `call` is reported as info, as others may run it on its
    own: where the file is surely for Keras 3, each that nothing in its file uses, else
    the first of them. So is a layer that wraps layers passed to its constructor, and,
    in Keras 2, a model in a file that fits nothing. A class that inherits such a `call`
    is reported there, or at the base that it names where that is in another file.

    A live model is also run once on random inputs, as `fit` runs it, and left as it
    was. Each batch normalization that `training` does not reach in that run is
    reported.

    ## Why is this bad
    In Keras 3 `fit` passes `training` to a model only if its `call` has the
    parameter; without it the whole model is fitted in inference mode: running
    statistics never move, dropout never drops. `**kwargs` is not enough. Keras 2
    forgave this.

    ## Fix
    Adds `training=None` to the parameters. It is not added where the body already uses
    a similar name.

    ## Limits
    Keras 3 only. Add `training=None` to the parameters and pass it on: on TensorFlow
    and PyTorch the layers inherit it anyway, but on JAX they do not (BN113). Uses in
    other files are not seen in projects of more than 1000 files.

    ## References
    - https://keras.io/guides/making_new_layers_and_models_via_subclassing/
    """

    code = "BN101"
    name = "model-call-without-training"
    severity = Severity.ERROR
    live_only = True  # Of models; a saved one does not hold the class.
    bad = """\
import keras
import numpy as np

keras.utils.set_random_seed(0)


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.bn = keras.layers.BatchNormalization()
        self.head = keras.layers.Dense(1)

    def call(self, x):
        return self.head(self.bn(x))


model = Net()
model.compile("sgd", "mean_squared_error")
x = np.random.default_rng(0).normal(5, 2, size=(32, 4))
model.fit(x, x[:, :1], verbose=0)
"""
    good = bad.replace("call(self, x)", "call(self, x, training=None)").replace(
        "self.bn(x)", "self.bn(x, training=training)"
    )
    proof = """\
moving_mean = keras.ops.convert_to_numpy(model.bn.moving_mean)
healthy = bool(np.abs(moving_mean).max() > 0)
"""

    def check_source(self, module: Module) -> Iterator[Finding]:
        """Report model classes with such a `call`, then layers."""
        calls = module.mentions("def call")
        may_inherit = module.classes and names.mentions_batch_norm(module.code)
        models = list(self._models(module)) if calls or may_inherit else []
        yield from models
        if calls:
            yield from self._others(module, first=not models)
        if source.keras_for(module).has(CALL_NEEDS_TRAINING):
            for cls, call, kinds in source.replacing_calls(module):
                yield self.finding(
                    f"{cls.node.name} defines __call__ in place of that of Keras, "
                    f"and has no call: fit never passes it the phase: {harm(kinds)}; "
                    "name it call, with training=None",
                    module.header(call),
                    Severity.WARNING if source.keras_for(module).assumed else None,
                )

    def _models(self, module: Module) -> Iterator[Finding]:
        seen = set()
        for node in module.classes:
            cls = source.Class(module, node)
            found = _call_of(cls)
            if found is None:
                continue
            owner, call = found
            if source.takes_training(call) or not _is_plain_model(cls, call):
                continue
            is_elsewhere = owner.module is not module
            if call in seen or (is_elsewhere and source.kinds_of_class(owner)):
                continue  # of a mixin: one finding is enough
            kinds = source.kinds_of_class(cls)
            if not (kinds and source.keras_for(module).has(CALL_NEEDS_TRAINING)):
                continue
            usage = source.usage_of(module, cls)
            if usage.harmless:
                continue
            if not usage.fitted and (
                module.may_hide(node.name)
                or source.hints.only_infers(node.name)
                or source.only_borrows(cls)
            ):
                continue
            severity = None if usage.fitted else Severity.WARNING
            if source.keras_for(module).assumed:
                severity = Severity.WARNING
            seen.add(call)
            surely = source.kinds_of_class(cls, surely=True)
            is_part = not usage.fitted and source.hints.is_part(node.name)
            if (
                is_part
                or not surely
                or source.freezes(module).covers_self_in(node)
                or (not usage.fitted and source.has_own_training(module))
            ):
                severity = Severity.INFO
            inherited = f", inherited from {owner.node.name}," if is_elsewhere else ""
            yield self.finding(
                _message(node.name + inherited, surely or kinds)
                + source.keras_for(module).caveat,
                module.location(node.bases[0]) if is_elsewhere else module.header(call),
                severity,
                None if is_elsewhere else _fix(module, call),
            )

    def _others(self, module: Module, first: bool) -> Iterator[Finding]:
        """Report layers whose users may run them on their own, or else the first.

        The first is not worth telling beside a finding about a model.
        """
        if module.is_test:
            return
        found = list(source.without_flag(module))
        alone = [
            candidate
            for candidate in found
            if (candidate.kinds or candidate.hides) and not candidate.is_part
        ]
        if alone and _surely_needs_training(module):
            for candidate in alone:
                fix = _fix(module, candidate.call)
                yield self._other(
                    module, candidate, candidate.cls.node.name, _ALONE, fix
                )
        elif (
            found
            and first
            and (
                any(not candidate.is_part for candidate in found)
                or source.passes_flags_on(module)
            )
        ):
            named = ", ".join(
                dict.fromkeys(candidate.cls.node.name for candidate in found)
            )
            yield self._other(module, found[0], named, _IN_GENERAL)

    def _other(
        self,
        module: Module,
        cls: source.WithoutFlag,
        named: str,
        when: str,
        fix: Fix | None = None,
    ) -> Finding:
        harmed = harm(cls.kinds) or "what it calls is left in inference mode"
        return self.finding(
            f"the call of {named} has no parameter `training`: {when}, {harmed}; write "
            "call(self, inputs, training=None) and pass it on",
            module.header(cls.call),
            Severity.INFO,
            fix,
        )

    def check_model(self, model: Model) -> Iterator[Finding]:
        """Report the class of a live model, or layers that got no flag in its run."""
        if model.live is None or not keras_of_model(model.keras_version).has(
            CALL_NEEDS_TRAINING
        ):
            return
        compiled = bool(getattr(model.live, "compiled", False))
        severity = None if compiled else Severity.WARNING
        kinds = kinds_in(model.live)
        if kinds and call_lacks_training(model.live):
            message = _message(type(model.live).__name__, kinds)
            yield self.finding(message, model.at(None), severity)
            return
        for path, behaviour in unflagged_behaviours(model):
            if behaviour.moved_if_called:
                continue  # BN113
            if behaviour.held_still and False not in behaviour.flags:
                yield self.finding(
                    "its running statistics did not move when the model was run as "
                    "fit runs it: `training` did not reach the layer; leave out "
                    "training=None, and call the layer itself, not its `call`",
                    model.at(path),
                    severity,
                )


def _message(name: str, kinds: frozenset[str]) -> str:
    return (
        f"the call of {name} has no parameter `training`, so fit cannot pass it: "
        f"{harm(kinds)}; write call(self, inputs, training=None)"
    )


def _fix(module: Module, call: ast.FunctionDef | ast.AsyncFunctionDef) -> Fix | None:
    """The parameter, unless the body means something else by a name like it.

    The layers inherit the phase once the model's call has the parameter.
    """
    words = {
        node.id if isinstance(node, ast.Name) else node.value
        for node in ast.walk(call)
        if isinstance(node, ast.Name | ast.Constant)
    }
    if "training" in words or any(
        map(source.hints.is_flag_like, source.parameters(call))
    ):
        return None
    return source.with_parameter(module, call, "training=None")


def _surely_needs_training(module: Module) -> bool:
    """Whether it is said to be for a Keras that asks for the flag."""
    keras = source.keras_for(module)
    return keras.has(CALL_NEEDS_TRAINING) and not keras.assumed


def _call_of(
    cls: source.Class,
) -> tuple[source.Class, ast.FunctionDef | ast.AsyncFunctionDef] | None:
    """The `call` that instances run, with the class that defines it."""
    for base in source.project_lineage(cls):
        found = source.members(base.module, base.node).methods.get("call")
        if found is not None:
            return base, found
    return None


def _is_plain_model(
    cls: source.Class, call: ast.FunctionDef | ast.AsyncFunctionDef
) -> bool:
    """Whether fit runs this `call` as it stands."""
    decorated = any(
        ast.unparse(getattr(decorator, "func", decorator)) not in _TRANSPARENT
        for decorator in call.decorator_list
    )
    own_ways = ("__call__", "train_step", "compute_loss_and_updates")
    return (
        source.keras_kind(cls) == "model"
        and not decorated
        and not any(source.method_of(cls, name) for name in own_ways)
        and not source.fits_itself(cls)
        and not source.is_functional(cls)
    )
