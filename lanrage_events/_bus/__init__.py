"""The bus: fan-out, mailboxes, consumers, and the plugins that it runs."""

from __future__ import annotations

from .batch_consumer import BatchConsumer as BatchConsumer
from .batch_consumer import BatchHook as BatchHook
from .bus import EventBus as EventBus
from .consumer import Consumer as Consumer
from .consumer import Hook as Hook
from .error_log import FailureLog as FailureLog
from .fanout import Doors as Doors
from .fanout import FanOut as FanOut
from .mailbox import DEFAULT_SIZE as DEFAULT_SIZE
from .mailbox import Mailbox as Mailbox
from .mailbox import Receipt as Receipt
from .mailbox import WhenFull as WhenFull
from .registry import PluginOptions as PluginOptions
from .registry import PluginSet as PluginSet
from .statistics import BusStatistics as BusStatistics
from .statistics import PluginStatistics as PluginStatistics
from .subscription import EventStream as EventStream
from .subscription import Subscription as Subscription
from .supervisor import Supervisor as Supervisor
from .supervisor import describe as describe
