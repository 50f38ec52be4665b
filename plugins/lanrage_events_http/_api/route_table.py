"""The routes of a plugin, found by path and method."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast, get_args

from pydantic import BaseModel

from lanrage_events.http import Route, Scope

from .operation import Operation

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_STATIC = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+")
_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class RouteTableError(Exception):
    """Raised when a plugin's routes are not valid."""


class Pattern:
    """The path of a route.

    :param path: such as ``/letters/{id}``
    :raises RouteTableError: if it is not valid
    """

    def __init__(self, path: object) -> None:
        if not isinstance(path, str) or not path.startswith("/"):
            raise RouteTableError(f"the path {path!r} does not start with '/'")

        parts = path[1:].split("/") if path != "/" else []
        names: list[str] = []
        for part in parts:
            if match := _PARAMETER.fullmatch(part):
                names.append(match[1])
            elif not _STATIC.fullmatch(part) or part in (".", ".."):
                raise RouteTableError(
                    f"the path {path!r} has the part {part!r}, which is not allowed"
                )

        if len(set(names)) < len(names):
            raise RouteTableError(f"the path {path!r} has a name twice")

        self.shape = tuple("{}" if part.startswith("{") else part for part in parts)
        """the parts without the names; paths of one shape match the same requests"""
        self._names = tuple(names)

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """Return the values of the names, None if the path does not match.

        :param parts: the decoded parts of the path, which may have slashes in them
        """
        if len(parts) != len(self.shape):
            return {} if not self.shape and parts == [""] else None

        values = [part for own, part in zip(self.shape, parts, strict=True) if own == "{}"]
        is_match = all(own in (part, "{}") for own, part in zip(self.shape, parts, strict=True))
        return dict(zip(self._names, values, strict=True)) if is_match and all(values) else None


class RouteTable:
    """The routes of one plugin.

    :param routes: what its hook returned
    :param make_operation: returns the operation of a route
    :raises RouteTableError: if a route is not valid
    """

    def __init__(self, routes: object, make_operation: Callable[[Route], Operation]) -> None:
        if not isinstance(routes, tuple):
            raise RouteTableError(f"the hook returned {type(routes).__name__}, not an iterable")

        self._routes: list[tuple[Pattern, Operation]] = []
        seen: set[tuple[str, tuple[str, ...]]] = set()
        for route in routes:
            pattern = _check(route)
            key = route.method, pattern.shape
            if key in seen:
                raise RouteTableError(f"{route.method} {route.path} is there twice")

            seen.add(key)
            self._routes.append((pattern, make_operation(route)))

        # Fixed parts match before names.
        self._routes.sort(key=lambda item: [part == "{}" for part in item[0].shape])

    def operations(self) -> list[Operation]:
        """Return all operations."""
        return [operation for _, operation in self._routes]

    def find(self, parts: Sequence[str]) -> dict[str, tuple[Operation, dict[str, str]]]:
        """Return the operations of a path by method, each with the values of the path's names.

        :param parts: those after the plugin's name, decoded
        """
        found: dict[str, tuple[Operation, dict[str, str]]] = {}
        for pattern, operation in self._routes:
            values = pattern.match(parts)
            if values is not None:
                found.setdefault(operation.method, (operation, values))

        return found


def _check(route: object) -> Pattern:
    if not isinstance(route, Route):
        raise RouteTableError(f"a Route was expected, not {type(route).__name__}")

    pattern = Pattern(route.path)
    what = f"{route.method} {route.path}"
    if route.method not in _METHODS:
        raise RouteTableError(f"{what} has a method that is none of {', '.join(_METHODS)}")

    if not callable(route.handler):
        raise RouteTableError(f"the handler of {what} cannot be called")

    if route.scope not in get_args(Scope):
        known = ", ".join(get_args(Scope))
        raise RouteTableError(f"{what} has the scope {route.scope!r}, which is none of {known}")

    for name in ("request", "query", "response"):
        model = cast(object, getattr(route, name))
        if model is not None and not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise RouteTableError(f"the {name} of {what} is not a pydantic model: {model!r}")

    if not isinstance(cast(object, route.errors), Mapping):
        raise RouteTableError(f"the errors of {what} are not a mapping")

    return pattern


def allowed(methods: Iterable[str]) -> str:
    """Return the value of the header Allow for the methods of a path."""
    known = set(methods)
    return ", ".join(sorted(known | {"HEAD"} if "GET" in known else known))
