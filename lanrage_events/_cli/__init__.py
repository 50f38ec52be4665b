"""The command line: its own commands, and those that plugins add."""

from __future__ import annotations
