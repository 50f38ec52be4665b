"""An operation of the API: its input, handler and answers, for the router and for OpenAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from lanrage_events import Redactor
from lanrage_events.events import FieldProblem, lone_surrogate
from lanrage_events.http import Scope

from .._problem import Problem, field_problems, json_response
from .._server import JSON_TYPE, access_of, media_type
from .values import MAX_VALUE_BYTES, decode, parse_json, read_body

ModelT = TypeVar("ModelT", bound=BaseModel)

RETRY_AFTER = {"Retry-After": "5"}
"""for an operation that is not possible at the moment"""
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
    """The input, the answers and the handler of an operation."""

    method: str
    path: str
    name: str
    """unique among all operations, in camel case"""
    group: str
    """its tag in the OpenAPI document"""
    description: str
    """what it does; the first sentence is the summary"""
    handler: Callable[[Call], Awaitable[BaseModel | ASGIApp]]
    """returns the answer, or a model to send as JSON with status 200; may raise a problem"""
    query: type[BaseModel] | None = None
    lists: frozenset[str] = frozenset()
    """the query parameters that may be given several times"""
    request: type[BaseModel] | None = None
    """the model of the JSON body"""
    takes_events: bool = False
    """whether the body contains events; the handler reads it"""
    responses: Mapping[int, type[BaseModel] | tuple[str, ...] | None]
    """by status: the model of the JSON body, other media types, or None for no body"""
    errors: Mapping[int, str] = field(default_factory=dict)
    """by status: when the answer is problem details"""
    problems: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    """by status: the model, if it has more than problem details"""
    scope: Scope | None = "admin"
    """what a token must allow; None if any token will do"""
    has_tag: bool = False
    """whether an answer has an ETag, and is left out if the client has it"""
    is_public: bool = False
    """whether it needs no token"""

    def route(self, redactor: Redactor) -> Route:
        """Return the route of the operation.

        :param redactor: removes secrets from answers
        """

        async def answer(request: Request) -> ASGIApp:
            return await self.answer(request, redactor)

        return Route(self.path, answer, methods=[self.method], name=self.name)

    async def answer(self, request: Request, redactor: Redactor) -> ASGIApp:
        """Validate a request and call the handler.

        :param redactor: removes secrets from the answer
        :raises Problem: if the request is not valid, its token does not allow it, or from the
            handler
        """
        if not self.is_public:
            access_of(request.scope).require(self.scope)

        query = None if self.query is None else _read_query(request, self.query, self.lists)
        body = None if self.request is None else await _read_model(request, self.request)
        answer = await self.handler(Call(request, query, body))
        if isinstance(answer, BaseModel):
            content = answer.model_dump(mode="json", by_alias=True)
            return json_response(redactor.redact_value(content))

        return answer


def _read_query(request: Request, model: type[ModelT], lists: frozenset[str]) -> ModelT:
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
    body = await read_body(request, MAX_VALUE_BYTES)
    received = parse_json(decode(body))
    if (found := lone_surrogate(received)) is not None:
        raise Problem(422, "the body is not valid", errors=[FieldProblem(*found)])

    try:
        return model.model_validate_json(body.removeprefix(_BOM))
    except ValidationError as error:
        errors = field_problems(error, received, model)
        raise Problem(422, "the body is not valid", errors=errors) from None


def check_media_type(request: Request, accepted: tuple[str, ...]) -> str:
    """Return the media type of a request, the first accepted one if it has no Content-Type.

    :raises Problem: if it is not accepted
    """
    if "content-type" not in request.headers:
        return accepted[0]

    found = media_type(request.headers)
    if found not in accepted:
        expected = " or ".join(accepted)
        raise Problem(415, f"the Content-Type is {found!r}: send {expected} instead")

    return found
