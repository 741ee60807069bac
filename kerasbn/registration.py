"""Register the layer with Keras, whichever of the two packages is imported first.

`keras.models.load_model` finds a custom class by its registered name only once
the module that registers it has run. A lazy package would leave it unfound, and
an eager one would load Keras for users who only fold a file. So the layer's
module is imported right after Keras itself has been.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def register_with_keras() -> None:
    """Import `kerasbn.layer` now if Keras is loaded, else right after it is."""
    if "keras" in sys.modules:
        _import_layer()
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


def _import_layer() -> None:
    importlib.import_module("kerasbn.layer")


class _KerasFinder(importlib.abc.MetaPathFinder):
    """Finds `keras` as everyone else does, but runs `_import_layer` after it."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)  # Once is enough, and it ends the recursion below.
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenImportLayer(spec.loader)
        return spec


class _ThenImportLayer(importlib.abc.Loader):
    """A loader that hands everything to Keras' own, then imports the layer."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        _import_layer()
