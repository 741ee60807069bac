"""Monitoring of a model's batch normalization during training."""

from .callback import Watch
from .loop import watch
from .notices import Notice, WatchWarning

__all__ = ["Notice", "Watch", "WatchWarning", "watch"]
