"""The demo: an evening at a LAN party, in the terminal."""

from __future__ import annotations
