"""Delivery: lanes from the outbox to one webhook each, and when a webhook is paused.

A ``lane`` sends the messages of one webhook, and is disabled while that does not work. ``queue``
holds what waits, ``batch`` chooses what the next message shows, ``envelope`` adds
``mentions`` and ``threads``, ``pacing`` and ``outage`` pause the lane until the next one may leave,
and ``suspicion`` finds out whether errors of Discord are an outage.
``earlier`` knows what an earlier run has put into the outbox; ``gone``, ``expired``, ``mentions``
and ``threads`` remember over restarts.
"""

from __future__ import annotations

from lanrage_events.delivery import LaneState as LaneState
from lanrage_events.delivery import in_words as in_words

from .earlier import EarlierEntries, EarlierEntry
from .envelope import Envelope, with_mentions
from .expired import ExpiredCounts
from .gone import GoneWebhooks
from .lane import Lane, LaneChange
from .lanes import Lanes, OutgoingEntry
from .mentions import Mentions
from .metrics import lane_metrics, outbox_metrics
from .queue import LaneQueue
from .record import reason_code
from .state import LaneStatistics
from .threads import Threads, post_name
