"""A client of a running daemon, for the commands."""

from __future__ import annotations

from .address import DEFAULT_URL as DEFAULT_URL
from .address import TOKEN_VARIABLE as TOKEN_VARIABLE
from .address import URL_VARIABLE as URL_VARIABLE
from .address import Token as Token
from .address import parse_token as parse_token
from .address import parse_url as parse_url
from .answers import DaemonError as DaemonError
from .client import DaemonClient as DaemonClient
from .lines import read_lines as read_lines
from .publish import DONE as DONE
from .publish import FAILED as FAILED
from .publish import MISUSE as MISUSE
from .publish import SinglePublisher as SinglePublisher
from .publish import Task as Task
from .publish_file import FilePublisher as FilePublisher
from .stream import FeedPrinter as FeedPrinter
from .terminal import Console as Console
