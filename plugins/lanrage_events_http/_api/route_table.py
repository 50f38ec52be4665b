"""The routes that plugins bring, found by path and method; a plugin that is replaced brings new ones."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from pydantic import BaseModel

from lanrage_events.abc import Bus
from lanrage_events.http import Route

logger = logging.getLogger(__name__)

FIXED_NAMES = frozenset({"events", "openapi.json", "outbox", "plugins"})
"""what stands below ``/api/`` and is no plugin: one of such a name is not reached there"""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_STATIC = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class RouteFault(Exception):
    """Raised when a plugin's routes cannot be served."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """The path of a route, in its parts."""

    parts: tuple[str, ...]
    """texts, and names in braces"""

    @classmethod
    def parse(cls, path: object) -> Pattern:
        """Read a path such as ``/letters/{id}``.

        :raises RouteFault: if it is none
        """
        if not isinstance(path, str) or not path.startswith("/"):
            raise RouteFault(f"the path {path!r} does not start with '/'")

        parts = tuple(path[1:].split("/")) if path != "/" else ()
        names = [match[1] for match in map(_PARAMETER.fullmatch, parts) if match]
        for part in parts:
            if not (_PARAMETER.fullmatch(part) or _STATIC.fullmatch(part)) or part in (".", ".."):
                raise RouteFault(f"the path {path!r} has the part {part!r}, which is not allowed")

        if len(set(names)) < len(names):
            raise RouteFault(f"the path {path!r} has a name twice")

        return cls(parts)

    @property
    def shape(self) -> tuple[str, ...]:
        """The parts without the names, so that paths of one shape match the same requests."""
        return tuple("{}" if part.startswith("{") else part for part in self.parts)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in braces."""
        return tuple(part[1:-1] for part in self.parts if part.startswith("{"))

    def match(self, path: str) -> dict[str, str] | None:
        """Return what stands in place of the names, None if it is another path."""
        found = path[1:].split("/") if path not in ("", "/") else []
        if len(found) != len(self.parts):
            return None

        values: dict[str, str] = {}
        for part, text in zip(self.parts, found, strict=True):
            if part.startswith("{") and text:
                values[part[1:-1]] = text
            elif part != text:
                return None

        return values


class RouteTable:
    """The routes of one plugin.

    :param routes: what its hook returned
    :raises RouteFault: if one of them cannot be served
    """

    def __init__(self, routes: object) -> None:
        if not isinstance(routes, tuple):
            raise RouteFault(f"the hook returned {type(routes).__name__}, not an iterable")

        self.routes: list[tuple[Pattern, Route]] = []
        seen: set[tuple[str, tuple[str, ...]]] = set()
        for route in routes:
            pattern = _check(route)
            key = route.method, pattern.shape
            if key in seen:
                raise RouteFault(f"{route.method} {route.path} is there twice")

            seen.add(key)
            self.routes.append((pattern, route))

        # A text goes before a name in its place.
        self.routes.sort(key=lambda item: [part == "{}" for part in item[0].shape])

    def find(self, path: str) -> dict[str, tuple[Route, dict[str, str]]]:
        """Return the routes of a path by their methods, with what stands for the names in it.

        :param path: what comes after the plugin's name
        """
        found: dict[str, tuple[Route, dict[str, str]]] = {}
        for pattern, route in self.routes:
            values = pattern.match(path)
            if values is not None:
                found.setdefault(route.method, (route, values))

        return found


def _check(route: object) -> Pattern:
    if not isinstance(route, Route):
        raise RouteFault(f"a Route was expected, not {type(route).__name__}")

    pattern = Pattern.parse(route.path)
    what = f"{route.method} {route.path}"
    if route.method not in _METHODS:
        raise RouteFault(f"{what} has a method that is none of {', '.join(_METHODS)}")

    if not callable(route.handler):
        raise RouteFault(f"the handler of {what} cannot be called")

    for name in ("request", "query", "response"):
        model = cast(object, getattr(route, name))
        if model is not None and not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise RouteFault(f"the {name} of {what} is no pydantic model: {model!r}")

    return pattern


class PluginRoutes:
    """The routes of all plugins, looked up anew whenever a plugin came, went or was replaced.

    :param bus: whose plugins they are
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._plugins: dict[str, object] = {}
        self._tables: dict[str, RouteTable] = {}

    def tables(self) -> dict[str, RouteTable]:
        """Return the routes of each plugin that has some, by its name."""
        plugins = dict(self._bus.plugins)
        if not _are_same(plugins, self._plugins):
            known = self._plugins
            new = {name for name, plugin in plugins.items() if plugin is not known.get(name)}
            tables = {name: t for name, t in self._tables.items() if name in plugins.keys() - new}
            if new:
                answers = self._bus.query("http_routes")
                tables |= self._read({name: answers[name] for name in new & answers.keys()})

            self._plugins, self._tables = plugins, tables

        return self._tables

    def _read(self, answers: dict[str, object]) -> dict[str, RouteTable]:
        tables: dict[str, RouteTable] = {}
        for name, answer in answers.items():
            if name in FIXED_NAMES:
                logger.warning(
                    "plugin '%s': its HTTP routes are not reached, since /api/%s is the server's "
                    "own: give the plugin another name and say 'use'",
                    name,
                    name,
                )
                continue

            try:
                tables[name] = RouteTable(answer)
            except RouteFault as fault:
                text = self._bus.redactor.redact(str(fault))
                logger.error("plugin '%s': its HTTP routes are left out: %s", name, text)

        return tables

    def is_running(self, name: str) -> bool:
        """Tell whether a plugin's handlers may be called."""
        statistics = self._bus.statistics().plugins.get(name)
        return statistics is not None and statistics.state == "running"


def _are_same(plugins: dict[str, object], known: dict[str, object]) -> bool:
    return plugins.keys() == known.keys() and all(
        plugin is known[name] for name, plugin in plugins.items()
    )


def allowed(methods: Iterable[str]) -> str:
    """Return the value of the header Allow.

    :param methods: that a path has routes for
    """
    known = set(methods)
    return ", ".join(sorted(known | {"HEAD"} if "GET" in known else known))
