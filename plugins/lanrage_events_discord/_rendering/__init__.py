"""From events to messages: ``renderer`` makes embeds, ``compose`` messages, ``digest`` digests."""

from __future__ import annotations

from .compose import compose
from .entry import COUNT, DEFAULT_PRESENTATION, Digest, Entry, Presentation
from .renderer import FILTERS, LEAVES, Renderer
