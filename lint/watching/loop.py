"""`watch`, for custom training loops."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..subjects.live_model import is_live_model
from ..subjects.probing.undisturbed import undisturbed
from .ending import check_options, finish
from .histograms import Histograms, log_folder
from .monitor import Monitor
from .values import current_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .notices import Notice
    from .trial import Loss

_IN_OWN_LOOP = (
    "Call the model with training=True in the training step (model-lint rule BN102)."
)


class Loop:
    """A training loop that is monitored: call `step()` after each of its steps."""

    def __init__(self, model: Any, monitor: Monitor, first_step: ExitStack) -> None:
        self._model = model
        self._monitor = monitor
        self._first_step = first_step
        self._given: dict[int, Any] = {}

    @property
    def notices(self) -> list[Notice]:
        """The warnings so far, in their order."""
        return self._monitor.notices.given

    def step(
        self,
        x: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        trainable_variables: Sequence[Any] | None = None,
        non_trainable_variables: Sequence[Any] | None = None,
    ) -> None:
        """Record that a training step was done.

        Args:
            x: the inputs of its batch. If given, the inputs of each layer are drawn.
            y: its targets. If given, the loss is compared in both modes.
            sample_weight: its weights, for the loss that the model was compiled with.
            trainable_variables: the values after the step, if the loop holds them
                itself, as with JAX' `stateless_call`.
            non_trainable_variables: likewise.

        Raises:
            UsageError: (a ValueError) if there are more or fewer values than variables.
        """
        self._first_step.close()
        model = self._model
        for variables, values in (
            (model.trainable_variables, trainable_variables),
            (model.non_trainable_variables, non_trainable_variables),
        ):
            if values is not None:
                self._give(variables, values)
        if x is not None and self._monitor.wants_batch():
            self._monitor.keep_batch(x, y, sample_weight)
        self._monitor.after_step(self._monitor.step + 1, self.value)

    def value(self, variable: Any) -> Any:
        """Return the value of a Keras variable, as it was given or else as it is."""
        given = self._given.get(id(variable))
        return current_value(variable) if given is None else given

    @contextmanager
    def holding_given_values(self) -> Iterator[None]:
        """Within this context, assign the loop's values to the model's variables."""
        if not self._given:
            yield
            return
        with undisturbed(self._model):
            for variable in self._model.variables:
                if id(variable) in self._given:
                    variable.assign(self._given[id(variable)])
            yield

    def _give(self, variables: Sequence[Any], values: Sequence[Any]) -> None:
        if len(variables) != len(values):
            raise UsageError(
                "One value for each variable of the model is required. Received: "
                f"{len(values)} values for {len(variables)} variables."
            )
        pairs = zip(variables, values, strict=True)
        self._given.update((id(variable), value) for variable, value in pairs)


@contextmanager
def watch(
    model: Any,
    *,
    loss: Loss | None = None,
    steps: int | None = None,
    every: int | None = None,
    plot: Any = None,
    verbose: bool = True,
    tensorboard: Any = None,
) -> Iterator[Loop]:
    """Monitor the batch normalization of a model in a custom training loop.

    It works as `lint.Watch` does in `fit`: it warns during training, and prints a table
    at the end. Call `step()` of the result after each training step; without that, only
    the state at the end is seen. If the loop raises, there is no table.

    Args:
        model: a live Keras model.
        loss: `loss(y, y_pred)` of a batch, a scalar, to compare in both modes; `None`
            for the one that the model was compiled with, if any.
        steps: the number of steps in total, if it is known.
        every: look after each that many steps; `None` for as often as is cheap.
        plot: a file for a picture, as for `lint.Watch`.
        verbose: whether to print the table.
        tensorboard: a folder of logs, as for `lint.Watch`.

    Raises:
        UsageError: (a ValueError) if an argument is wrong, or Matplotlib or TensorBoard
            is missing.

    Example:
    >>> with lint.watch(model, loss=loss_function) as loop:
    ...     for x, y in batches:
    ...         train_step(x, y)
    ...         loop.step(x, y)
    """
    if not is_live_model(model):
        raise UsageError(
            "A Keras model is required. "
            f"Received: {model!r} of type {type(model).__name__}."
        )
    check_options(every, plot)
    monitor = Monitor(
        model,
        every,
        loss,
        planned=steps,
        own_step=_IN_OWN_LOOP,
        histograms=Histograms(log_folder(tensorboard)),
    )
    with ExitStack() as first_step:
        loop = Loop(model, monitor, first_step)
        monitor.while_trying = loop.holding_given_values
        monitor.begin(loop.value)
        first_step.enter_context(monitor.counter.counting())
        yield loop
    monitor.end(loop.value)
    finish(monitor, plot, verbose)
