"""Following files: what is new in them, over rotations and restarts."""

from __future__ import annotations

from .file import OpenedFile as OpenedFile
from .follower import Follower as Follower
from .lines import LineSplitter as LineSplitter
from .positions import PositionStore as PositionStore
from .reader import CHUNK_BYTES as CHUNK_BYTES
from .watcher import EXTRA_HINT as EXTRA_HINT
from .watcher import Changes as Changes
from .watcher import Poll as Poll
from .watcher import Watch as Watch
from .watcher import is_watching_possible as is_watching_possible
