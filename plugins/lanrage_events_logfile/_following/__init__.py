"""Following files: what is new in them, over rotations and restarts."""

from __future__ import annotations
