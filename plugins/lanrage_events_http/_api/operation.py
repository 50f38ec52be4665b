"""One operation of the API: what it takes, does and answers, for the router and for OpenAPI."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from lanrage_events import Redactor
from lanrage_events.events import FieldProblem

from .._problem import Problem, field_problems, json_response

ModelT = TypeVar("ModelT", bound=BaseModel)

JSON_TYPE = "application/json"
RETRY_AFTER = {"Retry-After": "5"}
"""what the client is asked to wait when an operation cannot be done for the moment"""
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Call:
    """A request to an operation, checked against its models."""

    request: Request
    query: Any
    """an instance of the operation's ``query``, None if it has none"""
    body: Any
    """an instance of the operation's ``request``, None if it has none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What an operation takes and answers, and what answers it."""

    method: str
    path: str
    name: str
    """unique among all operations, in camel case"""
    group: str
    """what it stands below in the documentation"""
    description: str
    """what it does: a sentence, and more if need be"""
    handler: Callable[[Call], Awaitable[BaseModel | ASGIApp]]
    """returns the answer, or what is sent as JSON with status 200; may raise a problem"""
    query: type[BaseModel] | None = None
    lists: frozenset[str] = frozenset()
    """the parameters of the query that may be given several times"""
    request: type[BaseModel] | None = None
    """the model of the JSON body"""
    takes_events: bool = False
    """whether the body is events, which the handler reads itself"""
    responses: Mapping[int, type[BaseModel] | tuple[str, ...] | None]
    """what it answers, by status: the model of JSON, other media types, None for no body"""
    errors: Mapping[int, str] = field(default_factory=dict)
    """when it answers with problem details, by status"""
    problems: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    """what it says then, if that is more than problem details"""
    is_public: bool = False
    """whether it needs no token"""

    def route(self, redactor: Redactor) -> Route:
        """Return the route that serves it.

        :param redactor: knows what must not be shown
        """

        async def answer(request: Request) -> ASGIApp:
            return await self.answer(request, redactor)

        return Route(self.path, answer, methods=[self.method], name=self.name)

    async def answer(self, request: Request, redactor: Redactor) -> ASGIApp:
        """Read a request and have it answered.

        :param request: what came in
        :param redactor: knows what must not be shown
        :raises Problem: if it is not what the operation takes, or if the handler says so
        """
        query = None if self.query is None else _read_query(request, self.query, self.lists)
        body = None if self.request is None else await _read_model(request, self.request)
        answer = await self.handler(Call(request, query, body))
        if isinstance(answer, BaseModel):
            content = answer.model_dump(mode="json", by_alias=True)
            return json_response(redactor.redact_value(content))

        return answer


def _read_query(
    request: Request, model: type[ModelT], lists: frozenset[str] = frozenset()
) -> ModelT:
    """Return the query of a request.

    :param request: what came in
    :param model: what is expected
    :param lists: the parameters that may be given several times
    :raises Problem: if it is something else
    """
    values: dict[str, Any] = {}
    twice: list[str] = []
    for name, value in request.query_params.multi_items():
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            twice.append(name)
        else:
            values[name] = value

    if twice:
        errors = [FieldProblem(name, "given more than once") for name in dict.fromkeys(twice)]
        raise Problem(422, "the query has a parameter more than once", errors=errors)

    try:
        return model.model_validate(values)
    except ValidationError as error:
        errors = field_problems(error, values, model)
        raise Problem(422, "the query is not valid", errors=errors) from None


async def _read_model(request: Request, model: type[ModelT]) -> ModelT:
    check_media_type(request, (JSON_TYPE,))
    body = await request.body()
    received = parse_json(decode(body))
    try:
        return model.model_validate_json(body.removeprefix(_BOM))
    except ValidationError as error:
        errors = field_problems(error, received, model)
        raise Problem(422, "the body is not valid", errors=errors) from None


def check_media_type(request: Request, accepted: tuple[str, ...]) -> str:
    """Return the media type of a request, the first accepted one if it says none.

    :param request: what came in
    :param accepted: media types
    :raises Problem: if it is another one
    """
    header = request.headers.get("content-type")
    media_type = accepted[0] if header is None else header.partition(";")[0].strip().lower()
    if media_type not in accepted:
        expected = " or ".join(accepted)
        raise Problem(415, f"the Content-Type is {media_type!r}: send {expected} instead")

    return media_type


def decode(body: bytes) -> str:
    """Return the text of a body.

    :param body: what came in
    :raises Problem: if it is not UTF-8
    """
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        detail = f"the body is not UTF-8: the byte at position {error.start} is wrong"
        raise Problem(400, detail) from None


def parse_json(text: str, line: int | None = None) -> Any:
    """Return the value of a JSON text.

    :param text: what came in
    :param line: which of several lines it is, counted from 1
    :raises Problem: if it is not JSON
    """
    place = "the body" if line is None else f"line {line}"
    try:
        return json.loads(text, parse_constant=_reject_constant)
    except json.JSONDecodeError as error:
        where = f"column {error.colno}" if line else f"line {error.lineno} column {error.colno}"
        reason = error.msg[:1].lower() + error.msg[1:]
        raise Problem(400, f"{place} is not JSON: {reason} at {where}") from None
    except RecursionError:
        raise Problem(400, f"{place} is nested too deeply") from None
    except ValueError as error:
        raise Problem(400, f"{place} is not JSON: {error}") from None


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
