"""Directives for the parts of the reference that the code itself can tell.

All but the commands stand in ``eval-rst`` blocks. What lacks a description or an example is an error of the build.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import command_reference
import event_reference
import http_reference
import settings_reference
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata


class GeneratedReference(SphinxDirective):
    """Put in what :meth:`make` returns, in the markup of what stands around the directive."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        # What is described can change without this page.
        self.env.note_reread()
        try:
            lines = [*self.make(self.arguments[0] if self.arguments else "")]
        except ValueError as error:
            raise self.error(str(error)) from error

        return self.parse_text_to_nodes("\n".join(lines))

    def make(self, name: str) -> Iterable[str]:
        raise NotImplementedError


class SettingsReference(GeneratedReference):
    """Describe the keys of a plugin's section, or of another part of the YAML file."""

    def make(self, name: str) -> Iterable[str]:
        return settings_reference.lines(name, Path(self.env.srcdir, "examples", "settings"))


class EventReference(GeneratedReference):
    """Describe the built-in event types."""

    def make(self, name: str) -> Iterable[str]:
        return event_reference.lines()


class CommandReference(GeneratedReference):
    """Describe a command."""

    def make(self, name: str) -> Iterable[str]:
        return command_reference.lines(name)


class RouteReference(GeneratedReference):
    """Describe the routes of the HTTP API."""

    def make(self, name: str) -> Iterable[str]:
        return http_reference.route_lines()


class MetricReference(GeneratedReference):
    """Describe the metrics."""

    def make(self, name: str) -> Iterable[str]:
        return http_reference.metric_lines()


def setup(app: Sphinx) -> ExtensionMetadata:
    for name, directive in (
        ("settings-reference", SettingsReference),
        ("event-reference", EventReference),
        ("command-reference", CommandReference),
        ("route-reference", RouteReference),
        ("metric-reference", MetricReference),
    ):
        app.add_directive(name, directive)

    app.add_object_type("event-type", "event-type", "%s (event type)", objname="event type")
    app.add_object_type("http-route", "http-route", "%s (HTTP API)", objname="route")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
