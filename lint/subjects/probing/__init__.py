"""Trial runs of a live model in each mode, which leave it unchanged."""

from __future__ import annotations

from .probe import probe

__all__ = ["probe"]
