"""The plugin's operations in the HTTP API."""

from __future__ import annotations

from .layout import lay_out
from .models import EmbedLayout
from .routes import DiscordAPI
from .runtime import Runtime
from .test_message import MessageTest
