"""The plugin's operations in the HTTP API."""

from __future__ import annotations

from .routes import DiscordAPI as DiscordAPI
from .routes import Runtime as Runtime
from .test_message import MessageTest as MessageTest
