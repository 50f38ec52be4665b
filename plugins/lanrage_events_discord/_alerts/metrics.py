"""The metrics of the alerts."""

from __future__ import annotations

from lanrage_events import Metric, Sample

from .alerts import Alerts


def alert_metrics(alerts: Alerts | None) -> list[Metric]:
    """Return how many alerts there were; nothing if there cannot be any."""
    if alerts is None:
        return []

    return [
        Metric(
            name="alerts",
            help="Alerts that were put into the outbox",
            kind="counter",
            samples=[Sample(alerts.sent)],
        ),
        Metric(
            name="alerts_problems",
            help="Problems that an alert has reported and that are not over",
            samples=[Sample(len(alerts.problems))],
        ),
    ]
