"""Gives Sphinx what the plain Markdown pages do not hold: their order, and the changelog's text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

CHAPTERS = {
    "Tutorials": "tutorial plugin-tutorial",
    "How to": (
        "how-to troubleshooting install systemd container monitoring backup upgrade move discord "
        "templates rules parties cards daemon http logfile log webhook presence embedding client outbox testing "
        "testing-discord"
    ),
    "Reference": (
        "settings events commands hooks plugin-pages plugin-commands http-reference errors api compatibility glossary changelog"
    ),
    "Explanation": "architecture decisions delivery rate-limits scaling security why benchmarks",
}


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    if page == "index":
        for caption, names in CHAPTERS.items():
            entries = "\n".join(names.split())
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"
    elif page == "changelog":
        source[0] = Path(app.srcdir, "..", "CHANGELOG.md").read_text("utf-8")


def setup(app: Sphinx) -> ExtensionMetadata:
    app.connect("source-read", add_contents)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
