"""Clients of a running daemon's HTTP API, for programs and for the commands."""

from __future__ import annotations

from .address import (
    DEFAULT_URL,
    TOKEN_VARIABLE,
    URL_VARIABLE,
    Token,
    is_loopback,
    parse_token,
    parse_url,
)
from .answers import DaemonError, PostAnswer, Rejection
from .client import DaemonClient
from .library import AsyncClient, Client, PublishError, Receipt
from .lines import InputError, read_lines
from .publish import SinglePublisher, Task
from .publish_file import BATCH_MAX_BYTES, BATCH_MAX_EVENTS, FilePublisher
from .sse import Message, MessageTooLong, SSEReader
from .stream import FeedPrinter, json_line
