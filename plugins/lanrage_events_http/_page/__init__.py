"""The web page: its files and its login."""

from __future__ import annotations

from .files import PageFiles, own_files, page_routes
from .login import login_routes
