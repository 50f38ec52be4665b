"""The reporter: looks for problems and posts reports, in one run of the plugin."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import anyio

from lanrage_events.cli import error_text

from .._delivery import Lanes, OutgoingEntry
from .._rendering import Entry
from .incidents import Incidents
from .problem import ProblemKind
from .report import Report
from .watch import Watch

logger = logging.getLogger("lanrage_events.discord")

LOOK_SECONDS = 5.0
"""between two looks for problems"""

Render = Callable[[Report], Entry]


class Reporter:
    """Looks for problems every few seconds, and puts what is to be reported into a lane.

    :param webhook: the name of the one that gets the reports
    :param incidents: decide what is reported
    :param watch: finds the problems
    :param lanes: of all webhooks
    :param render: makes an entry of a report
    :param posted: called when a report is in the outbox
    """

    def __init__(
        self,
        webhook: str,
        incidents: Incidents,
        watch: Watch,
        lanes: Lanes,
        *,
        render: Render,
        posted: Callable[[], None],
    ) -> None:
        self._webhook = webhook
        self._incidents = incidents
        self._watch = watch
        self._lanes = lanes
        self._render = render
        self._posted = posted
        self._not_posted: set[tuple[ProblemKind, str]] = set()
        """what the log says could not be reported"""
        self._is_failing = False

    async def run(self) -> None:
        """Look and report until cancelled."""
        while True:
            await anyio.sleep(LOOK_SECONDS)
            with self._contained():
                now = self._see()
                report = self._incidents.due(now)
                if report is not None:
                    await self._post(report, now)

    def finish(self) -> None:
        """Look once more, without reporting what is found."""
        with self._contained():
            self._see()

    @contextmanager
    def _contained(self) -> Iterator[None]:
        """Log an error, the first of several in a row: alerts must not end what they watch."""
        try:
            yield
        except Exception:
            if not self._is_failing:
                logger.exception("alerts do not work at present")

            self._is_failing = True
        else:
            self._is_failing = False

    def _see(self) -> float:
        now = anyio.current_time()
        self._incidents.forget_unknown(self._watch.is_known)
        self._incidents.see(self._watch.look(self._incidents, now), now)
        return now

    async def _post(self, report: Report, now: float) -> None:
        lane = self._lanes.get(self._webhook)
        if lane is None or not lane.is_usable:
            self._log_not_posted(report, "the webhook for alerts does not work")
            return

        entry = self._render(report)
        outgoing = OutgoingEntry(0, lane.name, entry, entry.to_json(), None)
        failure: Exception | None = None
        # A report that may be in the outbox must be remembered.
        with anyio.CancelScope(shield=True):
            failure = (await self._lanes.put([outgoing])).get(0)
            if failure is None:
                self._incidents.report(report, now)
                self._posted()

        if failure is not None:
            # It counts as an event that the outbox did not take.
            self._watch.own_failures += 1
            self._log_not_posted(report, error_text(failure))
            return

        self._not_posted.clear()
        for problem in report.begun:
            logger.warning("reported to webhook '%s': %s", lane.name, problem)

        for problem in report.over:
            logger.info("reported to webhook '%s' as over: %s", lane.name, problem)

    def _log_not_posted(self, report: Report, reason: str) -> None:
        """Write to the log what cannot be posted, each problem once."""
        for problem in report.begun:
            if problem.key not in self._not_posted:
                logger.error("%s. It cannot be reported: %s", problem, reason)

        self._not_posted = {problem.key for problem in report.begun}
