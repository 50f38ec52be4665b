"""One operation of the server's own API: what it takes and answers, for the router and OpenAPI."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lanrage_events import FieldProblem, Redactor

from .._problem import Problem, field_problems, log_failure, of_http_exception

logger = logging.getLogger(__name__)

ModelT = TypeVar("ModelT", bound=BaseModel)

JSON_TYPE = "application/json"
_BOM = b"\xef\xbb\xbf"
FAILED = "something went wrong in the server, which has logged it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What an operation takes and answers."""

    method: Literal["GET", "POST"]
    path: str
    name: str
    """unique among all operations, in camel case"""
    description: str
    """what it does: a sentence, and more if need be"""
    group: str
    """what it stands below in the documentation"""
    query: type[BaseModel] | None = None
    request: type[BaseModel] | None = None
    responses: Mapping[int, type[BaseModel] | tuple[str, ...]] = field(default_factory=dict)
    """what it answers, by status: the model of JSON, or other media types"""
    errors: Mapping[int, str] = field(default_factory=dict)
    """when it refuses, by status"""
    problems: Mapping[int, type[BaseModel]] = field(default_factory=dict)
    """what it says then, if that is more than problem details"""
    is_public: bool = False
    """whether it needs no token"""

    def route(self, handler: Callable[[Request], Awaitable[ASGIApp]], redactor: Redactor) -> Route:
        """Return the route that serves it.

        :param handler: answers it, or raises a problem
        :param redactor: knows what must not be shown
        """
        return Route(self.path, contained(handler, redactor), methods=[self.method], name=self.name)


def contained(
    handler: Callable[[Request], Awaitable[ASGIApp]], redactor: Redactor
) -> Callable[[Request], Awaitable[ASGIApp]]:
    """Return a handler that answers with problem details whatever goes wrong.

    :param handler: answers a request, or raises a problem
    :param redactor: knows what must not be shown
    """

    async def handle(request: Request) -> ASGIApp:
        try:
            response = await handler(request)
        except Problem as problem:
            response = problem.response(redactor)
        except HTTPException as error:
            response = of_http_exception(error).response(redactor)
        except ClientDisconnect:
            response = Response(status_code=400)  # for nobody
        except Exception as error:  # noqa: BLE001 - it must not reach the server, which shows all
            what = f"{request.method} {request.scope['path']!r} failed"
            log_failure(logger, redactor, what, error)
            response = Problem(500, FAILED).response(redactor)

        if request.method == "HEAD" and isinstance(response, Response):
            response.body = b""

        return response

    return handle


def read_query(
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


async def read_model(
    request: Request, model: type[ModelT], *, strict: bool | None = None
) -> ModelT:
    """Return the body of a request.

    :param request: what came in
    :param model: what is expected
    :param strict: whether a text is no number and the like; None if the model says it
    :raises Problem: if it is something else
    """
    check_media_type(request, (JSON_TYPE,))
    body = await request.body()
    received = parse_json(decode(body))
    try:
        return model.model_validate_json(body.removeprefix(_BOM), strict=strict)
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
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"column {error.colno}" if line else f"line {error.lineno} column {error.colno}"
        reason = error.msg[:1].lower() + error.msg[1:]
        raise Problem(400, f"{place} is not JSON: {reason} at {where}") from None
    except RecursionError:
        raise Problem(400, f"{place} is nested too deeply") from None
    except ValueError as error:
        raise Problem(400, f"{place} is not JSON: {error}") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")
