"""A live model is run once in each mode, and left as it was."""

from __future__ import annotations

from .probe import probe

__all__ = ["probe"]
