"""The plugin's operations in the HTTP API."""

from __future__ import annotations

from .routes import DiscordAPI, Runtime
from .test_message import MessageTest
