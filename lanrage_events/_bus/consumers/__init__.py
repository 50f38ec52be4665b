"""Consumers, each of which delivers the events of one mailbox to hooks, and what watches their time."""

from __future__ import annotations

from .batch_consumer import BatchConsumer as BatchConsumer
from .batch_consumer import BatchHook as BatchHook
from .consumer import Consumer as Consumer
from .consumer import Hook as Hook
from .watchdog import Watchdog as Watchdog
