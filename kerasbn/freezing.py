"""Inference mode for all batch normalization of a model, for fine-tuning, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasbn import live
from kerasbn.choosing import chosen

if TYPE_CHECKING:
    from kerasbn.choosing import Chosen


@dataclass(frozen=True)
class FreezeReport:
    """The result of `freeze` or `unfreeze`.

    Attributes:
        frozen: Whether the layers are frozen now.
        changed: The paths of the layers whose state changed.
        unchanged: The paths of those that were already in this state.
        needs_compile: Whether the model must be compiled again before further training:
            it has been trained since it was compiled, and Keras keeps using what was
            trainable then.
        inside_frozen: After `unfreeze`, the paths of layers in a frozen layer or model:
            their statistics move, but gamma and beta are not trained.
        unseen: The paths of layers that a function calls, as in a Lambda: Keras does
            not track them, and they were left as they were.
    """

    frozen: bool
    changed: list[str]
    unchanged: list[str]
    needs_compile: bool
    inside_frozen: list[str]
    unseen: list[str]

    def __str__(self) -> str:
        state = "frozen" if self.frozen else "trainable"
        count = len(self.changed) + len(self.unchanged)
        lines = [f"{count} BN layers are {state}; {len(self.unchanged)} already were"]
        if self.inside_frozen:
            lines.append(f"  inside frozen layers: {', '.join(self.inside_frozen)}")
        if self.unseen:
            lines.append(f"  in functions, not changed: {', '.join(self.unseen)}")
        if self.needs_compile:
            lines.append("  compile the model again before training it further")
        return "\n".join(lines)


def freeze(model: Any, *, layers: Chosen = None) -> FreezeReport:
    """Put all batch normalization of a model into inference mode, also in `fit`.

    For fine-tuning on little data: the layers keep using the statistics they have, and
    gamma and beta are not trained. Layers at any depth are found, including those of
    nested models, wrappers and custom layers, which a loop over `model.layers` misses.
    Only `trainable` of these layers is set; `model.trainable = True` sets it back.

    Args:
        model: A `keras.Model` of any kind, compiled or not.
        layers: Which layers: a pattern such as `"backbone/*"` that matches their paths
            (the names of the models and layers around them and their own), a list of
            patterns, or a function that takes a layer and returns a bool; `None` for
            all.

    Returns:
        A `FreezeReport`: what was found, and whether `compile` is needed.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If it has no batch normalization, or `layers` selects none.

    Example:
    >>> report = kerasbn.freeze(model)
    >>> if report.needs_compile:
    ...     model.compile(optimizer, loss)
    """
    return _set_trainable(model, layers, False)


def unfreeze(model: Any, *, layers: Chosen = None) -> FreezeReport:
    """Undo `freeze`: train batch normalization, and update its statistics in `fit`.

    Layers that were frozen by other means are unfrozen, too; restrict `layers` if that
    is not intended.

    Args:
        model: As for `freeze`.
        layers: As for `freeze`.

    Returns:
        As for `freeze`.

    Raises:
        TypeError: As for `freeze`.
        ValueError: As for `freeze`.
    """
    return _set_trainable(model, layers, True)


def _set_trainable(model: Any, layers: Chosen, trainable: bool) -> FreezeReport:
    live.check_model(model)
    found = live.batch_norms_inside(model)
    unseen = live.batch_norms_in_functions(model)
    if not found:
        hint = f" (Keras does not track {', '.join(unseen)}.)" if unseen else ""
        raise ValueError(
            "There is no batch normalization in the model. Received: "
            f"{type(model).__name__} {model.name!r}. A subclassed model may create its "
            f"layers when it is called: call it on a batch first.{hint}"
        )
    changed: list[str] = []
    unchanged: list[str] = []
    for layer, path in chosen(found, layers):
        (unchanged if layer.trainable == trainable else changed).append(path)
        layer.trainable = trainable
    around = {path: layer for layer, path in live.layers_inside(model)}
    return FreezeReport(
        not trainable,
        changed,
        unchanged,
        bool(changed) and live.is_being_trained(model),
        [p for p in (*changed, *unchanged) if trainable and _is_held(p, around, model)],
        unseen,
    )


def _is_held(path: str, around: dict[str, Any], model: Any) -> bool:
    """Whether something around a layer is frozen."""
    parts = path.split("/")
    holders = [around.get("/".join(parts[:end])) for end in range(1, len(parts))]
    return any(
        holder is not None and not holder.trainable for holder in [model, *holders]
    )
