"""What a message looks like before it is posted, for the web page and for terminals."""

from __future__ import annotations

from .meters import Meter as Meter
from .meters import measure as measure
from .samples import sample_event as sample_event
from .spans import Style as Style
from .spans import format_time as format_time
from .spans import parse_markdown as parse_markdown
