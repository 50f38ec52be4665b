"""The metrics of the lanes and of the outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lanrage_events import Metric, Sample
from lanrage_events.events import utc_now
from lanrage_events.outbox import Outbox

from .earlier import EarlierEntries
from .lane import Lane
from .record import LaneRecord
from .state import LaneState, LaneStatistics

_COUNTERS: Mapping[str, tuple[str, Callable[[LaneStatistics], int]]] = {
    "lane_sent": ("Events that Discord accepted", lambda s: s.sent),
    "lane_messages": ("Messages that Discord accepted", lambda s: s.messages),
    "lane_requests": ("Requests that were sent to Discord", lambda s: s.requests),
    "lane_expired": ("Events that were too old when their turn came", lambda s: s.expired),
    "lane_shortened": ("Events that were posted shortened", lambda s: s.shortened),
    "lane_rate_limited": ("Answers of Discord that asked to wait", lambda s: s.rate_limited),
}


def lane_metrics(lanes: Mapping[str, Lane]) -> list[Metric]:
    """Return what the lanes have done since the plugin started, each with the webhook's name."""

    def by_reason(count: Callable[[LaneRecord], Mapping[str, int]]) -> list[Sample]:
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
                name=name,
                help=text,
                kind="counter",
                samples=[Sample(count(lane.statistics), {"lane": n}) for n, lane in lanes.items()],
            )
            for name, (text, count) in _COUNTERS.items()
        ),
        Metric(
            name="lane_failed",
            help="Events that became dead letters, by HTTP status or Discord's code",
            kind="counter",
            samples=by_reason(lambda record: record.failed),
        ),
        Metric(
            name="lane_requests_failed",
            help="Requests that delivered nothing, by HTTP status or Discord's code",
            kind="counter",
            samples=by_reason(lambda record: record.failed_requests),
        ),
        Metric(
            name="lane_parts_left_out",
            help="Parts of messages that Discord had rejected, such as pictures",
            kind="counter",
            samples=[Sample(lane.omissions.count, {"lane": n}) for n, lane in lanes.items()],
        ),
        Metric(
            name="lane_mentions_left_out",
            help="Mentions of roles and users for which a message had no room",
            kind="counter",
            samples=[Sample(lane.envelope.unmentioned, {"lane": n}) for n, lane in lanes.items()],
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


def outbox_metrics(outbox: Outbox, earlier: EarlierEntries) -> list[Metric]:
    """Return what an open outbox holds, and what came again after the start."""
    statistics = outbox.statistics()
    age = 0.0
    if statistics.oldest is not None:
        # The clock may have been set back meanwhile.
        age = max(0.0, (utc_now() - statistics.oldest).total_seconds())

    return [
        *(
            Metric(name=name, help=text, samples=[Sample(value)])
            for name, text, value in (
                ("outbox_pending", "Events that wait to be delivered", statistics.pending),
                (
                    "outbox_dead",
                    "Dead letters: events that Discord rejected for good",
                    statistics.dead,
                ),
                ("outbox_age_seconds", "How long the oldest event has waited", age),
            )
        ),
        Metric(
            name="outbox_repeated",
            help="Events that came again after the start and were not put again",
            kind="counter",
            samples=[Sample(earlier.skipped)],
        ),
    ]
