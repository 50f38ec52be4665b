"""The metrics of the lanes and of the outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lanrage_events import Metric, Sample, delivery
from lanrage_events.outbox import Outbox

from .earlier import EarlierEntries
from .lane import Lane

_COUNTERS: Mapping[str, tuple[str, Callable[[Lane], int]]] = {
    "shortened": ("Events that were posted shortened", lambda lane: lane.statistics.shortened),
    "rate_limited": (
        "Answers of Discord that asked to wait",
        lambda lane: lane.statistics.rate_limited,
    ),
    "reconnects": (
        "Leaves that a join followed so soon that neither was posted",
        lambda lane: lane.statistics.reconnects,
    ),
    "reconnects_uncounted": (
        "Reconnects that no message has counted, because none came in time",
        lambda lane: lane.statistics.reconnects_uncounted,
    ),
    "parts_left_out": (
        "Parts of messages that Discord had rejected, such as pictures",
        lambda lane: lane.omissions.count,
    ),
    "dropped": (
        "Events that quiet hours or a mute dropped",
        lambda lane: lane.statistics.dropped,
    ),
    "elsewhere": (
        "Events posted in another forum post than their own, since too many were created",
        lambda lane: lane.envelope.elsewhere,
    ),
    "mentions_left_out": (
        "Mentions of roles and users for which a message had no room",
        lambda lane: lane.envelope.unmentioned,
    ),
}


def lane_metrics(lanes: Mapping[str, Lane]) -> list[Metric]:
    """Return what the lanes have done since the plugin started, each with the webhook's name."""
    return [
        *delivery.lane_metrics(lanes),
        *(
            Metric(
                name=f"lane_{name}",
                help=text,
                kind="counter",
                samples=[Sample(count(lane), {"lane": n}) for n, lane in lanes.items()],
            )
            for name, (text, count) in _COUNTERS.items()
        ),
    ]


def outbox_metrics(outbox: Outbox, earlier: EarlierEntries) -> list[Metric]:
    """Return what an open outbox holds, and what came again after the start."""
    return [
        *delivery.outbox_metrics(outbox),
        Metric(
            name="outbox_repeated",
            help="Events that came again after the start and were not put again",
            kind="counter",
            samples=[Sample(earlier.skipped)],
        ),
    ]
