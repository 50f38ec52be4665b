"""The bus: fan-out, mailboxes, consumers, and the plugins that it runs."""

from __future__ import annotations

from .batch_consumer import BatchConsumer, BatchHook
from .bus import EventBus
from .consumer import Consumer, Hook
from .error_log import FailureLog
from .fanout import FanOut
from .mailbox import Acknowledgement, Mailbox
from .registry import Registry
from .supervisor import Supervisor
