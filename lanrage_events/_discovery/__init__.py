"""Finding plugins: entry points and single files."""

from __future__ import annotations
