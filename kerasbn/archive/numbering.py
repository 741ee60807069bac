"""The HDF5 group of each layer in a `.keras` file.

Keras names a group by the layer's class in snake case and a running number among
the layers of one model (`keras.src.saving.saving_lib._save_container_state`), so
removing a layer renumbers its class. Operators such as `x + y` take no number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasbn.config_tree import layer_entries, snake_case

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kerasbn.config_tree import LayerEntry

# Exported name of a class -> its own name, by which Keras names the group.
_OWN_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}


class Step(NamedTuple):
    """A step down from the `layers` in a model's group to a layer's group.

    Attributes:
        group: the group's name.
        name: the layer's name, which the group may also have; None if it is not known.
    """

    group: str
    name: str | None


def group_steps(model: Mapping[str, Any]) -> dict[str, tuple[Step, ...]]:
    """Layer path -> the steps from the root to its group."""
    steps: dict[str, tuple[Step, ...]] = {}
    numbers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for entry in layer_entries(model):
        if entry.is_operator:
            continue
        class_name = entry.class_name
        if entry.is_builtin:
            class_name = _OWN_NAMES.get(class_name, class_name)
        stem = snake_case(class_name)
        number = numbers[entry.parent][stem]
        numbers[entry.parent][stem] += 1
        group = f"layers/{stem}_{number}" if number else f"layers/{stem}"
        above = steps.get(entry.parent, ())
        steps[entry.path] = here = (*above, Step(group, _given_name(entry)))
        if entry.wrapped is not None:
            steps[entry.wrapped.path] = (
                *here,
                Step("layer", _given_name(entry.wrapped)),
            )
    return steps


def _given_name(entry: LayerEntry) -> str | None:
    """Return the layer's name, if it was written; else it had any when it was saved."""
    return entry.name if entry.config.get("name") is not None else None


def layer_groups(model: Mapping[str, Any]) -> dict[str, str]:
    """Layer path -> the path of its group from the root."""
    return {
        path: "/".join(step.group for step in steps)
        for path, steps in group_steps(model).items()
    }
