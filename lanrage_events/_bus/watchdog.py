"""The watchdog, which cancels hooks that run too long."""

from __future__ import annotations

from typing import Protocol

import anyio
from anyio.abc import TaskGroup

LOOKS_PER_HOOK_TIMEOUT = 8


class Watched(Protocol):
    """What calls hooks: a consumer."""

    def look(self, now: float) -> bool:
        """Cancel a hook that runs too long, and return whether to look again.

        :param now: the time of the event loop, in seconds
        """


class Watchdog:
    """Looks after all consumers of a bus that have the same hook timeout, in a task of its own.

    It polls instead of timing each call, since setting a timer costs as much as handling eleven events,
    and it sleeps without a timer while there is nothing to handle.

    :param hook_timeout: seconds after which a hook is cancelled; it may run an eighth longer
    """

    def __init__(self, hook_timeout: float) -> None:
        if not hook_timeout > 0:
            raise ValueError(f"hook_timeout must be more than 0 seconds, not {hook_timeout}")

        self.hook_timeout = hook_timeout
        self._watched: set[Watched] = set()
        self._active: anyio.Event | None = None
        """set once there is something to watch, None if there is"""
        self._task_group: TaskGroup | None = None
        self._scope: anyio.CancelScope | None = None

    def start(self, task_group: TaskGroup) -> None:
        """Run in a task group until :meth:`stop`; a second call does nothing."""
        self._task_group = task_group
        if self._scope is None:
            self._scope = anyio.CancelScope(shield=True)
            task_group.start_soon(self._run, self._scope, name="watchdog")

    def stop(self) -> None:
        """Watch nothing any more."""
        self._task_group = None
        if self._scope is not None:
            self._scope.cancel()

    def watch(self, consumer: Watched) -> None:
        """Look after a consumer until it has nothing to handle."""
        self._watched.add(consumer)
        if self._active is not None:
            self._active.set()
        elif self._scope is None and self._task_group is not None:
            self.start(self._task_group)

    async def _run(self, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await self._look()
        except anyio.get_cancelled_exc_class():
            # By Task.cancel(), such as of everything at the end of asyncio.run().
            self._scope = self._active = None

    async def _look(self) -> None:
        while True:
            if not self._watched:
                self._active = anyio.Event()
                await self._active.wait()
                self._active = None

            await anyio.sleep(self.hook_timeout / LOOKS_PER_HOOK_TIMEOUT)
            now = anyio.current_time()
            self._watched = {consumer for consumer in self._watched if consumer.look(now)}
