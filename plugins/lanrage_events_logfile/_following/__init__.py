"""Following files: what is new in them, over rotations and restarts."""

from __future__ import annotations

from .follower import KEEPS_OPEN as KEEPS_OPEN
from .follower import Follower as Follower
from .positions import PositionStore as PositionStore
from .reader import LogReader as LogReader
from .watcher import EXTRA_HINT as EXTRA_HINT
from .watcher import Changes as Changes
from .watcher import Poll as Poll
from .watcher import Watch as Watch
from .watcher import is_watching_possible as is_watching_possible
