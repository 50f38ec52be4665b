"""From events to messages: ``renderer`` makes embeds, ``compose`` messages, ``digest`` digests."""

from __future__ import annotations

from .compose import compose as compose
from .entry import DEFAULT_PRESENTATION as DEFAULT_PRESENTATION
from .entry import Entry as Entry
from .entry import Presentation as Presentation
from .renderer import Renderer as Renderer
