"""Alerts: what was reported, and what is remembered of it over restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio

from lanrage_events.abc import Bus
from lanrage_events.cli import counted
from lanrage_events.outbox import Outbox

from .._config import AlertsConfig
from .._delivery import Lanes
from .._memory import Memory, number
from .incidents import Incidents
from .problem import Problem
from .reporter import Render, Reporter
from .watch import Counters, Watch


class Alerts:
    """Reports to one webhook what does not work, and that it works again.

    It lives as long as the plugin, through its restarts. What it has reported is remembered over
    restarts of the process too, so that nothing is reported twice.

    :param config: what to report, and where
    :param memory: remembers it
    """

    def __init__(self, config: AlertsConfig, memory: Memory) -> None:
        self.config = config
        self.sent = 0
        """reports that were put into the outbox"""
        self._memory = memory
        self._incidents = Incidents(config.cooldown)
        self._counters: Counters | None = None
        """what was counted on the bus at the last look"""
        self._began = anyio.current_time()
        self._silences: dict[str, float] = {}
        """by source, for how many seconds it was silent when the last process ended"""
        memory.read(self._restore, None)

    @property
    def problems(self) -> list[Problem]:
        """What the last alerts said does not work, and is not over."""
        return self._incidents.reported

    @property
    def summary(self) -> str:
        """How many problems were reported and are not over, empty if there are none."""
        if not (count := len(self.problems)):
            return ""

        return f"{counted(count, 'problem')} reported to webhook '{self.config.webhook}'"

    @asynccontextmanager
    async def watching(
        self,
        bus: Bus,
        own_name: str,
        lanes: Lanes,
        outbox: Outbox,
        render: Render,
        stopped_cards: Callable[[], Mapping[str, Sequence[str]]],
    ) -> AsyncIterator[None]:
        """Look for problems every few seconds and report them.

        :param bus: its plugins and sources are watched
        :param own_name: the name of the plugin that watches
        :param lanes: are watched, and one of them gets the reports
        :param outbox: of the lanes
        :param render: makes an entry of a report
        :param stopped_cards: returns why cards have stopped, by webhook
        """
        is_first = self._counters is None
        self._counters = self._counters or Counters()
        watch = Watch(
            self.config,
            bus,
            own_name,
            lanes,
            outbox,
            stopped_cards=stopped_cards,
            of_bus=self._counters,
            silences=self._silences,
            silences_at=self._began,
        )
        reporter = Reporter(
            self.config.webhook,
            self._incidents,
            watch,
            lanes,
            render=render,
            posted=partial(self._posted, watch),
        )
        if is_first:
            # What was counted before this plugin came was the concern of the one before it.
            watch.look(self._incidents, self._began)

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(reporter.run, name="alerts")
                yield
                tasks.cancel_scope.cancel()
        finally:
            # What happened since the last look is reported by the next run.
            reporter.finish()
            self._save(watch)

    def _posted(self, watch: Watch) -> None:
        self.sent += 1
        self._save(watch)

    # Over restarts

    def _save(self, watch: Watch) -> None:
        if not self._memory.is_kept:
            return

        now = anyio.current_time()
        silences = {source: round(seconds, 3) for source, seconds in watch.silences(now).items()}
        data = self._incidents.to_data(now, self._memory.wall_time())
        self._memory.write({**data, "silences": silences})

    def _restore(self, data: Any) -> None:
        silences = {str(name): max(0.0, number(s)) for name, s in data["silences"].items()}
        self._incidents.restore(data, anyio.current_time(), self._memory.wall_time())
        self._silences = silences
