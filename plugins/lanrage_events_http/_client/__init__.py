"""A client of a running daemon, for the commands."""

from __future__ import annotations

from .address import DEFAULT_URL, TOKEN_VARIABLE, URL_VARIABLE, Token, parse_token, parse_url
from .answers import DaemonError
from .client import DaemonClient
from .lines import read_lines
from .publish import SinglePublisher, Task
from .publish_file import FilePublisher
from .stream import FeedPrinter
