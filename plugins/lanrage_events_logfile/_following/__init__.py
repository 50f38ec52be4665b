"""Following log files through rotations and restarts."""

from __future__ import annotations

from .folder import Folder
from .follower import KEEPS_OPEN, Follower, written_by
from .positions import PositionStore
from .reader import LogReader
from .watcher import Changes, Poll, Watch
