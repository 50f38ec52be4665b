"""The daemon: a bus built of a configuration file, run until it is stopped."""

from __future__ import annotations

from .check import prepare
