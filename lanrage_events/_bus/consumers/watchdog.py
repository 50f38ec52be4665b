"""The watchdog, which cancels hooks that run too long."""

from __future__ import annotations

from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from ..._containment import loop_is_ending

LOOKS_PER_HOOK_TIMEOUT = 8


class Watched(Protocol):
    """What calls hooks: a consumer."""

    def look(self, now: float) -> bool:
        """Cancel a hook that runs too long, and return whether to look again.

        :param now: the time of the event loop, in seconds
        """
        ...


class Watchdog:
    """Looks after all consumers of a bus that have the same hook timeout, in a task of its own.

    It polls instead of timing each call, since setting a timer costs as much as handling eleven events.
    The task runs while there is something to look after.

    :param hook_timeout: seconds after which a hook is cancelled; it may run an eighth longer
    """

    def __init__(self, hook_timeout: float) -> None:
        if not hook_timeout > 0:
            raise ValueError(f"hook_timeout must be more than 0 seconds, not {hook_timeout}")

        self.hook_timeout = hook_timeout
        self._watched: set[Watched] = set()
        self._task_group: TaskGroup | None = None
        self._scope: anyio.CancelScope | None = None
        """cancelled to end the task, None if there is none"""

    def run_in(self, task_group: TaskGroup) -> None:
        """Run in a task group until :meth:`stop`."""
        self._task_group = task_group

    def stop(self) -> None:
        """Watch nothing any more."""
        self._task_group = None
        if self._scope is not None:
            self._scope.cancel()

    def watch(self, consumer: Watched) -> None:
        """Look after a consumer until it has nothing to handle."""
        self._watched.add(consumer)
        if self._scope is None:
            self._start()

    def _start(self) -> None:
        if self._task_group is not None:
            self._scope = anyio.CancelScope(shield=True)
            self._task_group.start_soon(self._run, self._scope, name="watchdog")

    async def _run(self, scope: anyio.CancelScope) -> None:
        is_ending = False
        try:
            with scope:
                await self._look()
        except anyio.get_cancelled_exc_class():  # by Task.cancel()
            is_ending = loop_is_ending()
        finally:
            self._scope = None

        if self._watched and not is_ending:
            self._start()

    async def _look(self) -> None:
        while self._watched:
            await anyio.sleep(self.hook_timeout / LOOKS_PER_HOOK_TIMEOUT)
            now = anyio.current_time()
            self._watched = {consumer for consumer in self._watched if consumer.look(now)}
