"""Threads beside the event loop: one that watches it, and those in which threaded hooks run."""

from __future__ import annotations

from .blocks import TRANSFORM as TRANSFORM
from .blocks import LoopBlocks as LoopBlocks
from .blocks import Place as Place
from .loop import current_post as current_post
from .watch import LoopWatch as LoopWatch
from .worker import Owner as Owner
from .worker import Worker as Worker
from .worker import is_async as is_async
