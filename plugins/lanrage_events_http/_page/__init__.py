"""The web page: its files and its login."""

from __future__ import annotations
