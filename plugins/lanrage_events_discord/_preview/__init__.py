"""What a message looks like before it is posted, for the web page and for terminals."""

from __future__ import annotations

from .cards import CARD_SAMPLES, CardSample, shown_event
from .message import MessagePreview, preview_event
from .meters import Meter, measure
from .problems import describe
from .samples import find_registry, sample_event
from .spans import Span, Style, format_time, parse_markdown
