"""What is answered when something is wrong: problem details, https://www.rfc-editor.org/rfc/rfc9457."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from lanrage_events import Redactor
from lanrage_events.cli import did_you_mean
from lanrage_events.events import FieldProblem
from lanrage_events.http import RouteError

PROBLEM_TYPE = "application/problem+json"
INTERNAL_ERROR = "something went wrong in the server, which has logged it"
_MAX_CHARACTERS = 500
"""of a text that may repeat what came in, whose length has no other bound"""
_MIN_SECRET_CHARACTERS = 16
"""what came in is not repeated from this length on: it may be a token"""
_MAX_TEXTS = 1_000
_MAX_ERRORS = 100
_MASK = "*" * 10


class Problem(Exception):
    """Raised to refuse a request.

    :param status: the HTTP status, from 400 to 599
    :param detail: what is wrong and the remedy, without secrets
    :param errors: what is wrong with single fields
    :param headers: of the answer
    :param members: more that a program may want to know, as JSON
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Iterable[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers
        self.members = members
        super().__init__(f"{status} {detail}")

    def response(self, redactor: Redactor) -> Response:
        """Return the answer.

        :param redactor: knows what must not stand in it
        """
        content: dict[str, Any] = {
            "title": HTTPStatus(self.status).phrase if self.status in _STATUSES else "Error",
            "status": self.status,
            "detail": shorten(self.detail),
        }
        if self.errors:
            content["errors"] = error_list(self.errors)

        content |= self.members
        return json_response(
            redactor.redact_value(content), self.status, PROBLEM_TYPE, self.headers
        )


_STATUSES = frozenset(HTTPStatus)


def json_response(
    content: object,
    status: int = 200,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer in JSON, whatever texts are in it."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate, which JSON can name, is no text that could be encoded.
    return Response(text.encode("utf-8", "replace"), status, headers, media_type)


def shorten(text: str) -> str:
    """Return a text that may repeat what came in, cut off if it is very long."""
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"


def error_list(errors: Sequence[FieldProblem]) -> list[dict[str, str]]:
    """Return what is wrong with fields as problem details say it."""
    shown = [
        {"path": shorten(e.field), "message": shorten(e.message)} for e in errors[:_MAX_ERRORS]
    ]
    if len(errors) > _MAX_ERRORS:
        shown.append({"path": "", "message": f"{len(errors) - _MAX_ERRORS:,} more are not told"})

    return shown


def field_problems(
    error: ValidationError, received: object, model: type[BaseModel]
) -> list[FieldProblem]:
    """Return what is wrong with the fields of a model, without repeating what came in.

    :param error: what pydantic raised
    :param received: what came in, as plain values: its longer texts are not repeated
    :param model: what was expected
    """
    texts = _texts(received)
    names = [field.alias or name for name, field in model.model_fields.items()]
    details = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [
        _field_problem(item["type"], item["loc"], item["msg"], texts, names)
        for item in details[:_MAX_ERRORS]
    ]
    # The rest is only counted.
    return shown + [FieldProblem("", "")] * (len(details) - len(shown))


def _field_problem(
    kind: str,
    place: tuple[int | str, ...],
    message: str,
    texts: Sequence[str],
    names: Sequence[str],
) -> FieldProblem:
    match kind:
        case "missing":
            message = "required"
        case "extra_forbidden":
            message = "unknown field" + (hint(str(place[0]), names) if len(place) == 1 else "")
        case "value_error" | "assertion_error":
            message = message.partition(", ")[2] or message
        case _:
            message = message[:1].lower() + message[1:]

    for text in texts:
        message = message.replace(text, _MASK)

    return FieldProblem(".".join(map(str, place)), message)


def hint(word: str, known: Sequence[str]) -> str:
    """Return what was meant, such as ``, did you mean 'atomic'?``, or what is known.

    :param word: what came in
    :param known: what could have been meant
    """
    known_are = f", known are {', '.join(known)}" if known else ""
    return did_you_mean(word, known) or known_are


def _texts(received: object) -> list[str]:
    """Return texts that may be secrets, the longest first, and not so many that it takes long."""
    texts: set[str] = set()
    pending = [received]
    while pending and len(texts) < _MAX_TEXTS:
        match pending.pop():
            case str() as text if len(text) >= _MIN_SECRET_CHARACTERS:
                texts.add(text)
            case dict() as mapping:
                pending += mapping.values()
            case list() as items:
                pending += items

    return sorted(texts, key=len, reverse=True)


def log_failure(
    logger: logging.Logger, redactor: Redactor, what: str, error: BaseException
) -> None:
    """Log what went wrong, with its traceback, without secrets.

    :param logger: of the module that it happened in
    :param redactor: knows the secrets
    :param what: what failed, such as ``GET /api/plugins failed``
    """
    text = "".join(traceback.format_exception(error)).rstrip("\n")
    logger.error("%s", redactor.redact(f"{what}\n{text}"))


def problem_of(error: Exception) -> Problem:
    """Return what is answered when a request ends with an error.

    :param error: ours, one of a plugin's route, or of Starlette, such as for a path that does not
        exist; anything else is unexpected, and no details of it are shown
    """
    match error:
        case Problem():
            return error
        case RouteError():
            return Problem(error.status, error.detail, errors=error.errors)
        case HTTPException(status_code=status, detail=detail):
            if detail == HTTPStatus(status).phrase:
                detail = _DETAILS.get(status, detail)

            return Problem(status, detail, headers=error.headers)
        case ClientDisconnect():
            return Problem(400, "the client went away")  # for nobody
        case _:
            return Problem(500, INTERNAL_ERROR)


_DETAILS = {
    404: "there is nothing here: /api/openapi.json describes what there is",
    405: "this method is not allowed here: see the header Allow",
}


def exception_handlers(redactor: Redactor) -> dict[Any, Any]:
    """Return what a Starlette application needs to answer with problem details.

    An unexpected error comes out of the application after its answer.

    :param redactor: knows what must not stand in an answer
    """

    async def answer(request: Request, error: Exception) -> Response:
        return problem_of(error).response(redactor)

    expected = Problem, RouteError, HTTPException, ClientDisconnect
    return dict.fromkeys((*expected, Exception), answer)
