"""What names and expressions stand for, found without running anything."""

# Each reads one kind of expression for `resolve.values`.
from . import attributes, bound, items, results

__all__ = ["attributes", "bound", "items", "results"]
