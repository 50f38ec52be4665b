"""The web page: its files and its login."""

from __future__ import annotations

from .files import own_files as own_files
from .files import page_routes as page_routes
from .login import login_routes as login_routes
