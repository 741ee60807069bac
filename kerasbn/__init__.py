"""Batch normalization in Keras, done right: the layer, its statistics, the fold.

Importing this package does not load Keras, so that linting and folding a file stay
fast. The names below are imported on first use, and the layer is registered with
Keras as soon as both packages are loaded, in either order: `import kerasbn` is all
that `keras.models.load_model` needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerasbn.registration import register_with_keras

if TYPE_CHECKING:
    from kerasbn.combine import combine_replicas
    from kerasbn.errors import UnusableFileError
    from kerasbn.exchange import downgrade, upgrade
    from kerasbn.folding import FoldResult, NotEqualError, fold_batch_norm, fold_file
    from kerasbn.freezing import FreezeReport, freeze, unfreeze
    from kerasbn.layer import BatchNormalization
    from kerasbn.recalibration import RecalibratedLayer, recalibrate

__version__ = "0.1.0"

__all__ = [
    "BatchNormalization",
    "FoldResult",
    "FreezeReport",
    "NotEqualError",
    "RecalibratedLayer",
    "UnusableFileError",
    "combine_replicas",
    "downgrade",
    "fold_batch_norm",
    "fold_file",
    "freeze",
    "recalibrate",
    "unfreeze",
    "upgrade",
]

_HOME = {
    "BatchNormalization": "kerasbn.layer",
    "FoldResult": "kerasbn.folding",
    "FreezeReport": "kerasbn.freezing",
    "NotEqualError": "kerasbn.folding",
    "RecalibratedLayer": "kerasbn.recalibration",
    "UnusableFileError": "kerasbn.errors",
    "combine_replicas": "kerasbn.combine",
    "downgrade": "kerasbn.exchange",
    "fold_batch_norm": "kerasbn.folding",
    "fold_file": "kerasbn.folding",
    "freeze": "kerasbn.freezing",
    "recalibrate": "kerasbn.recalibration",
    "unfreeze": "kerasbn.freezing",
    "upgrade": "kerasbn.exchange",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if error.name != "keras":
            raise
        raise ImportError(
            f"kerasbn.{name} needs Keras and a backend, and Keras is not installed. "
            "Install them, for example with pip install 'kerasbn[tensorflow]'."
        ) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_with_keras()
