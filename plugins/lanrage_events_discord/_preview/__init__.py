"""Messages as they will look, in a terminal and as JSON."""

from __future__ import annotations
