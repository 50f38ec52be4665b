"""What plugins add to an HTTP API and a web page; it imports no HTTP library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, Literal

from ._exceptions import FieldProblem, LanrageEventsError

if TYPE_CHECKING:
    from pydantic import BaseModel


Scope = Literal["publish", "read", "admin"]
"""What a token of the HTTP API allows: to publish events, to read everything, or everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """A request to a :class:`Route`, validated against its models."""

    body: Any = None
    """an instance of the route's ``request``, None if it has none"""
    query: Any = None
    """an instance of the route's ``query``, None if it has none"""
    path: Mapping[str, str] = field(default_factory=dict)
    """the values of the placeholders in the route's path"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An operation that a plugin adds to the HTTP API.

    It is served below ``/api/`` and the name of the plugin's instance. The API's OpenAPI description
    describes it with the handler's docstring. What a GET answers has an ETag, by which clients do not
    get again what they have.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    """such as ``/webhook`` or ``/letters/{id}``"""
    handler: Callable[[RouteRequest], Awaitable[object]]
    """runs in a task of the server and returns an instance of ``response``, or None without one"""
    request: type[BaseModel] | None = None
    """the model of the JSON body, None if there is none"""
    query: type[BaseModel] | None = None
    """the model of the query; each of its fields has one value"""
    response: type[BaseModel] | None = None
    """the model of the response, None if it has no body"""
    errors: Mapping[int, str] = field(default_factory=dict)
    """when it raises a :class:`RouteError`, by HTTP status"""
    scope: Scope = "admin"
    """what a token must allow so that a request with it reaches the handler"""


class RouteError(LanrageEventsError):
    """Raised by the handler of a :class:`Route` to reject a request.

    :param status: the HTTP status, from 400 to 599
    :param detail: what is wrong and the remedy, without secrets
    :param errors: the problems with single fields, if any
    """

    def __init__(self, status: int, detail: str, errors: Iterable[FieldProblem] = ()) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"the status of an error is from 400 to 599, not {status}")

        self.status = status
        self.detail = detail
        self.errors: tuple[FieldProblem, ...] = tuple(errors)
        super().__init__(detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part that a plugin adds to the web page.

    Its folder is served as it is. The script in it is a JavaScript module; its default export is
    called with the element to fill and with what the page offers.
    """

    title: str
    """its name in the navigation"""
    folder: Traversable
    """its files, without subfolders"""
    script: str = "page.js"
    """the name of the script in the folder"""
