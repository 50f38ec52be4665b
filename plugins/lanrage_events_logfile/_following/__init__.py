"""Following files: what is new in them, over rotations and restarts."""

from __future__ import annotations

from .follower import KEEPS_OPEN, Follower
from .positions import PositionStore
from .reader import LogReader
from .watcher import EXTRA_HINT, Changes, Poll, Watch, is_watching_possible
