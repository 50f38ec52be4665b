"""The Rich Presence plugin: show the party and its game in the Discord client."""

from __future__ import annotations

from ._activity import Activity as Activity
from ._activity import Button as Button
from ._config import PresenceConfig as PresenceConfig
from ._connection import ActivityRejected as ActivityRejected
from ._connection import Connection as Connection
from ._connection import DiscordUnreachable as DiscordUnreachable
from ._parties import Party as Party
from ._plugin import PresencePlugin as PresencePlugin
from ._state import PresenceView as PresenceView

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
