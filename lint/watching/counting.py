"""Counts of the calls of each layer per training step, while its Python code runs."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from ..subjects.replaced_calls import replaced_calls

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from contextlib import AbstractContextManager

    from .layers import WatchedLayer

# Their code is traced once, and runs any number of times.
_LOOPS_AND_BRANCHES = {"WhileBodyFuncGraph", "CondBranchFuncGraph"}
_RUN = None  # in place of a trace, if code runs operation by operation


class CallCounter:
    """A counter of the calls of layers in training mode.

    The code of a compiled step runs in Python only while it is traced: once for any
    number of steps, or twice if it creates variables. So each trace has its own count.

    Args:
        layers: the layers.
    """

    def __init__(self, layers: Sequence[WatchedLayer]) -> None:
        self._layers = layers
        self._counts: dict[Hashable, Counter[str]] = {}
        self._is_known = True

    def counting(self) -> AbstractContextManager[None]:
        """Count within this context."""
        return replaced_calls(
            (watched.layer, partial(self._counted, watched.path, watched.layer.call))
            for watched in self._layers
        )

    def per_step(self, layer: WatchedLayer, steps: int) -> int | None:
        """Return the number of calls of the layer per step; None if it was not seen.

        Args:
            layer: the layer.
            steps: the number of steps within `counting`.
        """
        counts = dict(self._counts)
        run = counts.pop(_RUN, Counter())
        traced = [count[layer.path] for count in counts.values()]
        calls = max(traced, default=0) or run[layer.path] / max(steps, 1)
        return int(calls) if self._is_known and calls >= 1 and calls % 1 == 0 else None

    def _counted(
        self, path: str, call: Any, inputs: Any, *arguments: Any, **named: Any
    ) -> Any:
        training = named.get("training", arguments[0] if arguments else None)
        if training is not None and training is not False and not _only_shapes():
            self._count(path, inputs)
        return call(inputs, *arguments, **named)

    def _count(self, path: str, inputs: Any) -> None:
        trace = _trace_of(inputs)
        self._counts.setdefault(trace, Counter())[path] += 1
        if trace is not _RUN and type(trace[0]).__name__ in _LOOPS_AND_BRANCHES:
            self._is_known = False


def _only_shapes() -> bool:
    """Whether the call is one that builds layers and computes nothing."""
    from keras.src.backend.common import global_state

    return global_state.get_global_attribute("symbolic_scope") is not None


def _trace_of(tensor: Any) -> tuple[Any, int] | None:
    """Return the trace and the thread, as each of several replicas has its own."""
    import keras

    match keras.backend.backend():
        case "tensorflow" if not sys.modules["tensorflow"].executing_eagerly():
            graph = sys.modules["tensorflow"].compat.v1.get_default_graph()
            return graph, threading.get_ident()
        case "jax" if isinstance(tensor, sys.modules["jax"].core.Tracer):
            return "jax", threading.get_ident()
    return _RUN
