"""Reading YAML: one dialect, with the position of each value and errors that name it."""

from __future__ import annotations
