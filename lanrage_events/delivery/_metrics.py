"""The metrics of the lanes and of the outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._events import utc_now
from .._reports import Metric, Sample
from ..outbox import Storage
from ._lane import Lane
from ._record import LaneRecord, LaneStatistics
from ._state import LaneState


def lane_metrics(
    lanes: Mapping[str, Lane[Any, Any, Any, LaneRecord[LaneStatistics]]],
) -> list[Metric]:
    """Return what the lanes have done since they were made, each with its name."""

    def by_reason(count: Callable[[LaneRecord[LaneStatistics]], Mapping[str, int]]) -> list[Sample]:
        return [
            Sample(number, {"lane": name, "reason": reason})
            for name, lane in lanes.items()
            for reason, number in sorted(count(lane.record).items())
        ]

    return [
        Metric(
            name="lane_state",
            help="1 for the state that the lane is in, 0 for the others",
            samples=[
                Sample(float(lane.state is state), {"lane": name, "state": state.value})
                for name, lane in lanes.items()
                for state in LaneState
            ],
        ),
        *(
            Metric(
                name=f"lane_{name}",
                help=text,
                kind="counter",
                samples=[
                    Sample(getattr(lane.statistics, name), {"lane": n}) for n, lane in lanes.items()
                ],
            )
            for name, text in (
                ("sent", "Events that the receiver accepted"),
                ("messages", "Messages that the receiver accepted"),
                ("requests", "Requests that were sent to the receiver"),
                ("expired", "Events that were too old when their turn came"),
                ("cancelled", "Events that were done without being sent"),
            )
        ),
        Metric(
            name="lane_failed",
            help="Events that became dead letters, by HTTP status or another reason",
            kind="counter",
            samples=by_reason(lambda record: record.failed),
        ),
        Metric(
            name="lane_requests_failed",
            help="Requests that delivered nothing, by HTTP status or another reason",
            kind="counter",
            samples=by_reason(lambda record: record.failed_requests),
        ),
        Metric(
            name="lane_batch_size",
            help="Events in a message",
            kind="histogram",
            samples=[
                Sample(lane.statistics.sent, {"lane": name}, lane.record.batch_sizes)
                for name, lane in lanes.items()
            ],
        ),
    ]


def outbox_metrics(storage: Storage) -> list[Metric]:
    """Return what an open outbox holds."""
    statistics = storage.statistics()
    age = 0.0
    if statistics.oldest is not None:
        # The clock may have been set back meanwhile.
        age = max(0.0, (utc_now() - statistics.oldest).total_seconds())

    return [
        Metric(name=name, help=text, samples=[Sample(value)])
        for name, text, value in (
            ("outbox_pending", "Events that wait to be delivered", statistics.pending),
            ("outbox_dead", "Dead letters: events that were rejected for good", statistics.dead),
            ("outbox_age_seconds", "How long the oldest event has waited", age),
        )
    ]
