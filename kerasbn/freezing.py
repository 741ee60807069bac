"""All batch normalization of a model in inference mode, for fine-tuning, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasbn import live
from kerasbn.choosing import chosen

if TYPE_CHECKING:
    from kerasbn.choosing import Chosen


@dataclass(frozen=True)
class FreezeReport:
    """What `freeze` or `unfreeze` found.

    Attributes:
        frozen: Whether the layers are frozen now.
        changed: The paths of those that were not so before.
        unchanged: The paths of those that were.
        needs_compile: Whether the model must be compiled anew before it is trained
            further: it has been trained since it was compiled, and Keras goes on with
            what it found then.
        inside_frozen: After `unfreeze`, the paths of layers in a frozen layer or model:
            their statistics move, but gamma and beta are not trained.
        unseen: The paths of layers that a function calls, as in a Lambda: Keras does
            not see them, and they are as they were.
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
        lines = [f"{count} BN layers are {state}, {len(self.unchanged)} were before"]
        if self.inside_frozen:
            lines.append(f"  inside frozen layers: {', '.join(self.inside_frozen)}")
        if self.unseen:
            lines.append(f"  in functions, as they were: {', '.join(self.unseen)}")
        if self.needs_compile:
            lines.append("  compile the model before it is trained further")
        return "\n".join(lines)


def freeze(model: Any, *, layers: Chosen = None) -> FreezeReport:
    """Put all batch normalization of a model into inference mode, also in `fit`.

    For fine-tuning on few data: the layers go on with the statistics that they have,
    and gamma and beta are not trained. Layers at any depth are found, also those of
    nested models, wrappers and custom layers, which a loop over `model.layers` misses.
    It sets `trainable` of these layers and of nothing else; `model.trainable = True`
    sets it back.

    Args:
        model: A `keras.Model` of any kind, compiled or not.
        layers: Which layers: a pattern such as `"backbone/*"` for their paths, the
            names of the models and layers around them and their own, a list of
            patterns, or a function of the layer that says whether; `None` for all.

    Returns:
        A `FreezeReport`: what was found, and whether `compile` is needed.

    Raises:
        TypeError: If it is no Keras model.
        ValueError: If there is no batch normalization in it, or none among `layers`.

    Example:
    >>> report = kerasbn.freeze(model)
    >>> if report.needs_compile:
    ...     model.compile(optimizer, loss)
    """
    return _set_trainable(model, layers, False)


def unfreeze(model: Any, *, layers: Chosen = None) -> FreezeReport:
    """Undo `freeze`: batch normalization is trained, and its statistics move in `fit`.

    Layers that were frozen otherwise are unfrozen, too; choose by `layers` where that
    is not meant.

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
        told = f" (Keras does not see {', '.join(unseen)}.)" if unseen else ""
        raise ValueError(
            "There is no batch normalization in the model. Received: "
            f"{type(model).__name__} {model.name!r}. A subclassed model may make its "
            f"layers when it is called: call it on a batch first.{told}"
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
    return any(each is not None and not each.trainable for each in [model, *holders])
