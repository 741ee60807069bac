"""Which values are batch normalization: classes and functions."""

from __future__ import annotations

from ... import names
from ..reading.values import Class, Known, Partial, Value
from ..resolving.lineage import lineage, method_of


def batch_norm_name(value: Value) -> str | None:
    """The canonical name of the BN class or function that a value is."""
    match value:
        case Known(name):
            name = name.removesuffix(".__init__")
            is_one = name in names.BATCH_NORM_LAYERS | names.BATCH_NORM_FUNCTIONS
            return name if is_one else None
        case Partial(function=inner):
            return batch_norm_name(inner)
        case Class():
            constructor = method_of(value, "__init__")
            for base in lineage(value):
                found = batch_norm_name(base) if isinstance(base, Known) else None
                if found and (constructor is None or constructor.node.args.kwarg):
                    return found
    return None
