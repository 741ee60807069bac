"""Scheduling of checks: soon after the last change, and never needlessly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

DELAY = 0.3
"""The seconds without a keystroke before a text is linted."""


class Schedule:
    """A schedule of at most one check per document: a new request replaces the last.

    Args:
        check: checks a document; it is cancelled when it is outdated.
    """

    def __init__(self, check: Callable[[str], Awaitable[None]]) -> None:
        self._check = check
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def request(self, uri: str, delay: float = DELAY) -> None:
        """Check a document after `delay` seconds, unless it is requested again."""
        self.cancel(uri)
        task = asyncio.get_running_loop().create_task(self._later(uri, delay))
        self._tasks[uri] = task
        task.add_done_callback(lambda done: self._forget(uri, done))

    def cancel(self, uri: str) -> None:
        """Stop checking a document."""
        if (task := self._tasks.pop(uri, None)) is not None:
            task.cancel()

    async def _later(self, uri: str, delay: float) -> None:
        await asyncio.sleep(delay)
        await self._check(uri)

    def _forget(self, uri: str, done: asyncio.Task[None]) -> None:
        if self._tasks.get(uri) is done:
            del self._tasks[uri]
        if not done.cancelled() and (error := done.exception()) is not None:
            raise error
