"""The outbox: a durable list of what is not delivered yet, on disk."""

from __future__ import annotations

from .._exceptions import OutboxError as OutboxError
from .._exceptions import OutboxFull as OutboxFull
from .._exceptions import OutboxInUse as OutboxInUse
from .._exceptions import OutboxUnreadable as OutboxUnreadable
from ._admin import OutboxAdmin as OutboxAdmin
from ._admin import close_outboxes as close_outboxes
from ._outbox import Outbox as Outbox
from ._records import UNTIL_RESUMED as UNTIL_RESUMED
from ._records import DeadLetter as DeadLetter
from ._records import ExpiredEntries as ExpiredEntries
from ._records import OutboxEntry as OutboxEntry
from ._records import OutboxItem as OutboxItem
from ._records import OutboxLane as OutboxLane
from ._records import OutboxStatistics as OutboxStatistics
from ._storage import Storage as Storage

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith("lanrage_events."):
        _value.__module__ = __name__
