"""Delivery: from a plugin's hooks to a receiver, for a plugin that knows how to send once."""

from __future__ import annotations

from ..backoff import in_words as in_words
from ._bisection import Bisection as Bisection
from ._delivery import Delivery as Delivery
from ._entry import Entry as Entry
from ._entry import Item as Item
from ._history import Bucket as Bucket
from ._history import History as History
from ._http import HTTP_LOGGERS as HTTP_LOGGERS
from ._http import Answer as Answer
from ._http import open_http_client as open_http_client
from ._http import send_request as send_request
from ._lane import Lane as Lane
from ._metrics import lane_metrics as lane_metrics
from ._metrics import outbox_metrics as outbox_metrics
from ._outage import LONG_AGO as LONG_AGO
from ._outage import Outage as Outage
from ._outcome import Outcome as Outcome
from ._outcome import OutcomeKind as OutcomeKind
from ._pacing import Pacing as Pacing
from ._queue import LaneQueue as LaneQueue
from ._queue import Waiting as Waiting
from ._record import LaneRecord as LaneRecord
from ._record import LaneStatistics as LaneStatistics
from ._selection import Select as Select
from ._selection import Selection as Selection
from ._state import LaneState as LaneState

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
