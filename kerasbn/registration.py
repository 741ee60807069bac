"""Register the layer with Keras, whichever of the two packages is imported first.

`keras.models.load_model` finds a custom class by its registered name only once the
module that registers it has run. A lazy package would leave it unregistered, and an
eager one would load Keras for users who only fold a file. So the layer's module is
imported right after Keras itself.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def register_with_keras() -> None:
    """Import `kerasbn.layer` now if Keras is loaded, else right after it is."""
    if "keras" in sys.modules:
        _import_layer()
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


def _import_layer() -> None:
    importlib.import_module("kerasbn.layer")


class _KerasFinder:
    """Find `keras` as the other finders do, and import the layer after it.

    It stays installed until Keras has run: many callers look for a package without
    importing it, and an import can fail and be retried. If a module of kerasbn imports
    Keras, the layer waits until that module is done, as it may need it.
    """

    def __init__(self) -> None:
        self._running = 0  # Modules of kerasbn that are being imported.
        self._keras_has_run = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != "keras" and not fullname.startswith("kerasbn."):
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            self._hook(spec.loader, is_ours=fullname != "keras")
        return spec

    def _hook(self, loader: Loader, is_ours: bool) -> None:
        """Replace `exec_module` on this one loader; otherwise it stays as it is."""
        exec_module = loader.exec_module

        def exec_module_then_import_layer(module: ModuleType) -> None:
            self._running += is_ours
            try:
                exec_module(module)
            finally:
                self._running -= is_ours
            self._keras_has_run |= not is_ours
            if self._keras_has_run and not self._running and self in sys.meta_path:
                sys.meta_path.remove(self)
                _import_layer()

        loader.exec_module = exec_module_then_import_layer  # type: ignore[method-assign]
