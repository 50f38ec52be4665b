"""The webhook plugin: post events to any HTTP address, and to the chats that have a preset."""

from __future__ import annotations

from ._config import RouteConfig as RouteConfig
from ._config import TargetConfig as TargetConfig
from ._config import WebhookConfig as WebhookConfig
from ._plugin import WebhookPlugin as WebhookPlugin

for _value in tuple(globals().values()):
    if getattr(_value, "__module__", "").startswith(f"{__name__}."):
        _value.__module__ = __name__
