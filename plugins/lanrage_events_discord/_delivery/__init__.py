"""Delivery: lanes from the outbox to one webhook each.

A ``lane`` sends the messages of one webhook, and is disabled while that does not work. ``queue``
holds what waits, ``batch`` and ``bisection`` choose what the next message shows, ``envelope`` adds
``mentions`` and ``threads``, ``pacing`` and ``outage`` say when it may leave.
"""

from __future__ import annotations

from .history import SECONDS_PER_BUCKET as SECONDS_PER_BUCKET
from .history import History as History
from .lane import Lane as Lane
from .lanes import Lanes as Lanes
from .lanes import OutgoingEntry as OutgoingEntry
from .metrics import lane_metrics as lane_metrics
from .metrics import outbox_metrics as outbox_metrics
from .state import LaneState as LaneState
from .state import LaneStatistics as LaneStatistics
from .threads import Threads as Threads
