"""Watches the batch normalization of a model while it is trained."""

from .callback import Watch
from .loop import watch
from .notices import Notice, WatchWarning

__all__ = ["Notice", "Watch", "WatchWarning", "watch"]
