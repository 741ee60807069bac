"""Functions in the place of layers' `call`, for a while."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@contextmanager
def replaced_calls(
    replacements: Iterable[tuple[Any, Callable[..., Any]]],
) -> Iterator[None]:
    """Within this context, let functions handle the calls of their layers.

    Instance attributes shadow the methods, bypassing Keras' attribute tracking.

    Args:
        replacements: pairs of a layer and what is called in place of its `call`.
    """
    replacements = list(replacements)
    for layer, function in replacements:
        vars(layer)["call"] = function
    try:
        yield
    finally:
        for layer, _ in replacements:
            vars(layer).pop("call", None)
