"""The bus: fan-out, mailboxes, consumers, and the plugins that it runs."""

from __future__ import annotations

from .batch_consumer import BatchConsumer as BatchConsumer
from .batch_consumer import BatchHook as BatchHook
from .bus import EventBus as EventBus
from .consumer import Consumer as Consumer
from .consumer import Hook as Hook
from .error_log import FailureLog as FailureLog
from .fanout import FanOut as FanOut
from .mailbox import Acknowledgement as Acknowledgement
from .mailbox import Mailbox as Mailbox
from .registry import Registry as Registry
from .supervisor import Supervisor as Supervisor
