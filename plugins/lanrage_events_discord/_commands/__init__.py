"""What the commands ``preview``, ``route`` and ``test`` do."""

from __future__ import annotations

from .plugin import ConfiguredPlugin, find_plugin
from .preview import show_previews
from .route import show_route
from .test_message import post_test_message
