"""Setting up a webhook: the saved settings, and what is wrong with a URL."""

from __future__ import annotations
