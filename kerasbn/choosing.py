"""Selection of layers by path or by a function."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Chosen = str | Sequence[str] | Callable[[Any], bool] | None
    Found = list[tuple[Any, str]]  # layers, each with its path


def chosen(every: Found, layers: Chosen) -> Found:
    """Select layers by a pattern, a list of patterns or a function.

    Raises:
        TypeError: if `layers` is something else.
        ValueError: if it selects none.
    """
    if layers is None:
        return every
    if callable(layers):
        found = [(layer, path) for layer, path in every if layers(layer)]
    else:
        patterns = [layers] if isinstance(layers, str) else list(layers)
        if not all(isinstance(pattern, str) for pattern in patterns):
            raise TypeError(
                "`layers` must be a pattern, a list of patterns or a function that "
                f"takes a layer. Received: layers={layers!r}"
            )
        found = [
            (layer, path)
            for layer, path in every
            if any(fnmatchcase(path, pattern) for pattern in patterns)
        ]
    if not found:
        paths = ", ".join(path for _, path in every[:5]) or "none"
        raise ValueError(
            "`layers` selects none of the model's batch normalization layers. "
            f"Received: layers={layers!r}; the layers are, for example: {paths}. A "
            "pattern must "
            'match the whole path: "*bn1", "backbone/*".'
        )
    return found
