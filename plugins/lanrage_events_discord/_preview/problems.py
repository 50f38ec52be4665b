"""What is wrong with templates, as a preview shows it."""

from __future__ import annotations

from lanrage_events.templates import TemplateError


def describe(problem: TemplateError) -> str:
    """Return a problem in one line, which says if it is only a warning."""
    return f"warning: template {problem}" if problem.is_warning else f"template {problem}"
