"""The plugins that still run although they were cancelled: the bus goes on without them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import anyio
from anyio.abc import TaskGroup

from .._exceptions import format_error
from .supervisor import Supervisor

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_REPORTS = 5.0


class Lingering:
    """Knows the supervisors that ignore that they were cancelled, and logs their names until they end."""

    def __init__(self) -> None:
        self._supervisors: list[Supervisor] = []
        self._scope: anyio.CancelScope | None = None
        """of the task that logs, None if there is none"""

    def __iter__(self) -> Iterator[Supervisor]:
        return (supervisor for supervisor in self._supervisors if supervisor.lingers)

    def find(self, name: str) -> Supervisor | None:
        """Return a supervisor of this name that lingers, None if there is none."""
        return next((supervisor for supervisor in self if supervisor.name == name), None)

    def add(self, supervisor: Supervisor, task_group: TaskGroup | None) -> None:
        """Log the name of a supervisor now, and every few seconds until it has ended.

        :param task_group: where to run the task that logs, None to log only now
        """
        logger.error(
            "plugin '%s' still runs although it was cancelled, and the bus goes on without it: %s",
            supervisor.name,
            format_error(supervisor.error or TimeoutError()),
        )
        self._supervisors.append(supervisor)
        if self._scope is None and task_group is not None:
            self._scope = anyio.CancelScope(shield=True)
            task_group.start_soon(self._run, self._scope, name="report of what does not end")

    def stop(self) -> None:
        """Log nothing any more."""
        if self._scope is not None:
            self._scope.cancel()

    async def _run(self, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                while self._supervisors:
                    await anyio.sleep(SECONDS_BETWEEN_REPORTS)
                    self._supervisors = list(self)
                    report(self._supervisors)
        except anyio.get_cancelled_exc_class():
            pass  # by Task.cancel(), such as of everything at the end of asyncio.run()
        finally:
            self._scope = None


def report(supervisors: list[Supervisor]) -> None:
    """Log the names of supervisors that were cancelled and still run."""
    if supervisors:
        now = anyio.current_time()
        seconds = min(now - supervisor.cancelled_at for supervisor in supervisors)
        names = dict.fromkeys(f"'{supervisor.name}'" for supervisor in supervisors)
        logger.warning(
            "waiting for %s to end, cancelled %.0f seconds ago: what runs there ignores it",
            ", ".join(names),
            seconds,
        )
