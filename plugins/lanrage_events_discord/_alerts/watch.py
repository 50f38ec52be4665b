"""The watch: looks for problems of the delivery, the plugins and the sources of events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lanrage_events.abc import Bus, BusStatistics
from lanrage_events.cli import counted, did_you_mean
from lanrage_events.outbox import Outbox

from .._config import AlertsConfig
from .._delivery import Lane, LaneState
from .incidents import Incidents
from .problem import Problem, ProblemKind

STDIN = "stdin"
"""the daemon's own source, which is no plugin"""


@dataclass(slots=True)
class Counters:
    """What was counted at the last look, to find what is new; all of it is new at first."""

    _last: dict[tuple[str, str], int] = field(default_factory=dict)

    def added(self, what: str, name: str, count: int) -> int:
        """Return by how much a count has grown since the last look.

        A count that is lower than before began again at 0.
        """
        last = self._last.get((what, name), 0)
        self._last[what, name] = count
        return count - last if count >= last else count


def unknown_sources(config: AlertsConfig, bus: Bus) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the paths of the settings that name a source that there is not, each with the problem.

    Programs that use the bus may have sources of their own, so it need not be a mistake.
    """
    known = [*bus.plugins, STDIN]
    for source in config.silent_after:
        if source not in known:
            hint = did_you_mean(source, known) or f", known are {', '.join(known)}"
            yield ("alerts", "silent_after", source), f"no plugin is named '{source}'{hint}"


class Watch:
    """Looks for problems in one run of the plugin.

    :param config: what to look for
    :param bus: its plugins and sources are watched
    :param own_name: the name of the plugin that watches
    :param lanes: are watched
    :param outbox: of the lanes
    :param stopped_cards: returns why cards have stopped, by webhook
    :param of_bus: what was counted on the bus, also in earlier runs of the plugin
    :param silences: by source, for how many seconds it had been silent at a given time, of which the
        bus does not know
    :param silences_at: that time
    """

    def __init__(
        self,
        config: AlertsConfig,
        bus: Bus,
        own_name: str,
        lanes: Mapping[str, Lane],
        outbox: Outbox,
        *,
        stopped_cards: Callable[[], Mapping[str, Sequence[str]]],
        of_bus: Counters,
        silences: Mapping[str, float],
        silences_at: float,
    ) -> None:
        self.own_failures = 0
        """alerts that could not be put into the outbox"""
        self._config = config
        self._bus = bus
        self._own_name = own_name
        self._lanes = lanes
        self._outbox = outbox
        self._stopped_cards = stopped_cards
        self._of_bus = of_bus
        self._of_run = Counters()
        self._silences = silences
        self._silences_at = silences_at
        self._busy_since: dict[str, float] = {}
        """since when something has waited in each lane at every look"""

    def look(self, incidents: Incidents, now: float) -> list[Problem]:
        """Return the problems that there are, with what was counted since the last look.

        :param incidents: what is known by now
        """
        statistics = self._bus.statistics()
        return [
            *self._webhooks(incidents, now),
            *self._cards(),
            *self._plugins(statistics),
            *self._sources(now),
        ]

    def is_known(self, kind: ProblemKind, subject: str) -> bool:
        """Whether there still is what a problem is about."""
        if kind.is_about_webhook:
            lane = self._lanes.get(subject)
            return lane is not None and lane.state is not LaneState.UNCONFIGURED

        if kind is ProblemKind.SILENT:
            return subject in self._config.silent_after

        return subject in self._bus.plugins

    def silences(self, now: float) -> dict[str, float]:
        """Return for how many seconds each source that is watched has been silent."""
        since_input = self._bus.statistics().seconds_since_input
        return {
            source: since_input.get(
                source, self._silences.get(source, 0.0) + now - self._silences_at
            )
            for source in self._config.silent_after
        }

    def _webhooks(self, incidents: Incidents, now: float) -> Iterator[Problem]:
        for name, lane in self._lanes.items():
            if lane.state is LaneState.DEAD:
                yield Problem(ProblemKind.WEBHOOK, name, self._masked(lane.reason))

            rejected = lane.rejected_events
            if new := self._of_run.added("rejected", name, rejected):
                detail = self._masked(lane.statistics.last_error)
                yield Problem(ProblemKind.REJECTED, name, detail, new)

            waited = self._waited(lane, incidents, now)
            if waited is not None:
                detail = self._masked(lane.reason)
                yield Problem(ProblemKind.LATE, name, detail, seconds=waited)

    def _waited(self, lane: Lane, incidents: Incidents, now: float) -> float | None:
        """Return for how long the oldest event of a lane has waited, if that is too long."""
        arrived = lane.queue.first_arrival if lane.is_usable and lane.record.waiting else None
        if arrived is None:
            self._busy_since.pop(lane.name, None)
            return None

        # A dead letter that is retried, or what an earlier run left, is old and yet not late.
        busy = now - self._busy_since.setdefault(lane.name, now)
        late_after = self._config.late_after
        was_late = incidents.is_reported(ProblemKind.LATE, lane.name)
        if now - arrived < late_after or not (busy >= late_after or was_late):
            return None

        return min(now - arrived, max(busy, late_after))

    def _cards(self) -> Iterator[Problem]:
        for name, reasons in self._stopped_cards().items():
            more = f" (and {counted(len(reasons) - 1, 'more card')})" if len(reasons) > 1 else ""
            yield Problem(ProblemKind.CARD, name, self._masked(f"{reasons[0]}{more}"))

    def _plugins(self, statistics: BusStatistics) -> Iterator[Problem]:
        health = self._bus.health()
        for name in self._bus.plugins:
            plugin = statistics.plugins.get(name)
            if plugin is None:
                continue

            dropped = self._of_bus.added("dropped", name, plugin.dropped)
            if name == self._own_name:
                dropped += self._not_put()

            if dropped:
                problem = self._outbox.problem if name == self._own_name else None
                detail = self._masked(str(problem)) if problem is not None else ""
                yield Problem(ProblemKind.DROPPED, name, detail, dropped)

            restarts = self._of_bus.added("restarts", name, plugin.restarts)
            has_failed = restarts > 0 or plugin.state == "down"
            found = health.get(name)
            # What is wrong with this plugin's webhooks is reported as such.
            is_unhealthy = found is not None and found.status == "failed" and name != self._own_name
            if has_failed or is_unhealthy:
                error = plugin.last_failure if has_failed else ""
                reason = found.detail if found is not None and is_unhealthy else ""
                yield Problem(ProblemKind.PLUGIN, name, error or reason, restarts)

    def _not_put(self) -> int:
        """Count the events that the outbox did not take, without alerts."""
        statistics = self._outbox.statistics()
        lost = statistics.rejected + statistics.failed - self.own_failures
        return self._of_run.added("not put", "", max(0, lost))

    def _sources(self, now: float) -> Iterator[Problem]:
        for source, seconds in self.silences(now).items():
            if seconds >= self._config.silent_after[source]:
                yield Problem(ProblemKind.SILENT, source, seconds=seconds)

    def _masked(self, text: str) -> str:
        return self._bus.redactor.redact(text)
