"""Runs of a model as in `fit` and in `predict`, which show what its BN does."""

from __future__ import annotations

import re
import sys
import warnings
from contextlib import contextmanager, redirect_stdout
from itertools import product
from typing import TYPE_CHECKING, Any

from ..model import Behaviour, Probe
from ..replaced_calls import replaced_calls
from ..trainer import receives_training, trains_by_itself
from .backends import as_trainer_runs, ways_to_run
from .inputs import possible_calls
from .observing import Observer
from .undisturbed import undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .backends import Way
    from .inputs import Call

_FRAME = re.compile(r"Exception encountered when calling|Arguments received by|\s*$")


def probe(model: Any, layers: Mapping[str, Any]) -> Probe | None:
    """Observe batch normalization when the model is run in each mode.

    The model runs on a batch of two random samples. The model, its weights and all
    random state are restored afterwards, also if it raises. The effect of the model's
    own training step is not known, so that it is then run in inference mode only.

    Args:
        model: a live Keras model.
        layers: its batch normalization layers to observe, by path, all built.

    Returns:
        None if there are no layers to observe.
    """
    if not layers:
        return None
    failures = []
    for call, way in product(possible_calls(model), ways_to_run()):
        try:
            with undisturbed(model), _quietly():
                if call.smaller:
                    _accept_any_shape(model)
                run, training, called = as_trainer_runs(model), {}, {}
                if not trains_by_itself(type(model)):
                    training = _observe(model, run, call, layers, way, training=True)
                if run is not model and any(map(_held_still, training.values())):
                    called = _observe(model, model, call, layers, way, training=True)
                inference = _observe(model, run, call, layers, way, training=False)
        except Exception as error:  # The user's code may fail in any way.
            failures.append(_explain(error))
            continue
        behaviours = {
            path: _behaviour(training.get(path), called.get(path), inference[path])
            for path in layers
        }
        return Probe(behaviours)
    return Probe({}, [*failures, "the shape of its input is not known"][0])


def _observe(
    model: Any,
    run: Callable[..., Any],
    call: Call,
    layers: Mapping[str, Any],
    way: Way,
    training: bool,
) -> dict[str, Observer]:
    """Run the model as Keras' trainer does, with the mode only if it takes it.

    PyTorch's trainer also sets the mode of all modules.
    """
    import keras

    if keras.backend.backend() == "torch":
        model.train(training)
    flag = {"training": training} if receives_training(model) else {}
    observers = {path: Observer(layer, training) for path, layer in layers.items()}

    def observe(arguments: Any, named: Any) -> list[Any]:
        with replaced_calls(
            (observer.layer, observer) for observer in observers.values()
        ):
            run(*arguments, **named, **flag)
        return [observer.seen for observer in observers.values()]

    seen = way(observe, model)(call.arguments, call.named)
    for observer, values in zip(observers.values(), seen, strict=True):
        observer.moved, observer.held_still, observer.depended = map(bool, values)
    return observers


def _accept_any_shape(model: Any) -> None:
    """Keep a graph from checking its inputs' shapes, which may not matter."""
    for layer in model._flatten_layers():
        if hasattr(layer, "_inputs_struct"):
            layer.input_spec = None


def _held_still(observer: Observer) -> bool:
    return bool(observer.held_still and not observer.moved)


def _behaviour(
    training: Observer | None, called: Observer | None, inference: Observer
) -> Behaviour:
    held_still = training is not None and _held_still(training)
    return Behaviour(
        held_still=held_still,
        flags=tuple(sorted(training.flags, key=str)) if training else (),
        moved_in_inference=inference.moved,
        depended_on_batch=inference.depended,
        moved_if_called=bool(held_still and called and called.moved),
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the model's output from getting between the findings."""
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        yield


def _explain(error: Exception) -> str:
    """Format the error in one line, without Keras' additions."""
    text = re.sub(r"\x1b\[\d*m", "", str(error))
    said = [line.strip() for line in text.splitlines() if not _FRAME.match(line)]
    return ": ".join([type(error).__name__, *said[:1]])
