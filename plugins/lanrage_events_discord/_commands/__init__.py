"""What the commands ``mute``, ``preview``, ``route``, ``test`` and ``unmute`` do."""

from __future__ import annotations

from .mute import mute, show_mutes, unmute
from .plugin import ConfiguredPlugin, find_plugin
from .preview import show_previews
from .route import show_route
from .test_message import post_test_message
