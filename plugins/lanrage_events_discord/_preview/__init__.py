"""Messages as they will look, in a terminal and as JSON."""

from __future__ import annotations

from .meters import measure as measure
from .preview import preview as preview
from .samples import sample_event as sample_event
from .spans import Style as Style
from .spans import parse_markdown as parse_markdown
from .terminal import Look as Look
from .terminal import draw_message as draw_message
from .terminal import write_line as write_line
