"""What plugins bring to an HTTP API, without importing the library that serves it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, Literal

from ._exceptions import FieldProblem, LanrageEventsError

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """A request to a :class:`Route`, checked against its models."""

    body: Any = None
    """an instance of the route's ``request``, None if it has none"""
    query: Any = None
    """an instance of the route's ``query``, None if it has none"""
    path: Mapping[str, str] = field(default_factory=dict)
    """what stood in place of the names in the route's path"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation of the HTTP API that a plugin brings.

    It is served below ``/api/`` and the name of the plugin's instance, and stands in the API's
    OpenAPI description: the handler's docstring says there what it does.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    """such as ``/webhook`` or ``/letters/{id}``"""
    handler: Callable[[RouteRequest], Awaitable[object]]
    """answers it, in a task of the server; returns an instance of ``response``, or None without one"""
    request: type[BaseModel] | None = None
    """the model of the JSON body, None if there is none"""
    query: type[BaseModel] | None = None
    """the model of the query, whose fields have one value each"""
    response: type[BaseModel] | None = None
    """the model of the answer; without one it has no body"""
    errors: Mapping[int, str] = field(default_factory=dict)
    """when a :class:`RouteError` is raised, by HTTP status"""


class RouteError(LanrageEventsError):
    """Raised by the handler of a :class:`Route` to refuse a request.

    :param status: the HTTP status, from 400 to 599
    :param detail: what is wrong and the remedy, without secrets
    :param errors: what is wrong with single fields, if that is it
    """

    def __init__(self, status: int, detail: str, errors: Iterable[FieldProblem] = ()) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"the status of a refusal is from 400 to 599, not {status}")

        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        super().__init__(detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of the web page that a plugin brings.

    Its folder is served as it is. The script in there is a JavaScript module whose default export
    is called with the element to fill and with what the page offers to it.
    """

    title: str
    """what it is called in the navigation"""
    folder: Traversable
    """its files, without folders inside"""
    script: str = "page.js"
    """the name of the script in the folder"""
