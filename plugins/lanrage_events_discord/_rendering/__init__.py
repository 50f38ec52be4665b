"""From events to messages: ``renderer`` makes embeds, ``compose`` messages, ``digest`` digests."""

from __future__ import annotations

from .compose import compose
from .entry import DEFAULT_PRESENTATION, Entry, Presentation
from .renderer import Renderer
