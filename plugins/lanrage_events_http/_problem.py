"""Errors as answers: problem details, https://www.rfc-editor.org/rfc/rfc9457."""

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
# Python calls some otherwise, which depends on its version: https://www.rfc-editor.org/rfc/rfc9110
_NAMES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
_MAX_CHARACTERS = 500
"""of a text that may repeat input, whose length has no other limit"""
_MIN_SECRET_CHARACTERS = 16
"""an input of this length or more may be a token, so messages do not repeat it"""
_MAX_TEXTS = 1_000
_MAX_ERRORS = 100
_MASK = "*" * 10


class Problem(Exception):
    """Raised to reject a request.

    :param status: the HTTP status, from 400 to 599
    :param detail: what is wrong and the remedy, without secrets
    :param errors: what is wrong with single fields
    :param headers: of the answer
    :param members: more for programs, as JSON
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
        """Return the problem as an answer, without secrets."""
        content: dict[str, Any] = {
            "title": title_of(self.status),
            "status": self.status,
            "detail": shorten(self.detail),
        }
        if self.errors:
            content["errors"] = error_list(self.errors)

        content |= self.members
        return json_response(
            redactor.redact_value(content), self.status, PROBLEM_TYPE, self.headers
        )


def title_of(status: int) -> str:
    """Return the name of a status, the same with every version of Python."""
    return _NAMES.get(status) or _title_in_python(status)


def _title_in_python(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def json_response(
    content: object,
    status: int = 200,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer in JSON, even if its texts cannot be encoded as UTF-8."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # JSON can contain a lone surrogate, which cannot be encoded.
    return Response(text.encode("utf-8", "replace"), status, headers, media_type)


def shorten(text: str) -> str:
    """Cut off a very long text that may repeat input."""
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"


def error_list(errors: Sequence[FieldProblem]) -> list[dict[str, str]]:
    """Return the member ``errors`` of problem details."""
    shown = [
        {"path": shorten(e.field), "message": shorten(e.message)} for e in errors[:_MAX_ERRORS]
    ]
    if len(errors) > _MAX_ERRORS:
        shown.append({"path": "", "message": f"{len(errors) - _MAX_ERRORS:,} more are not shown"})

    return shown


def field_problems(
    error: ValidationError, received: object, model: type[BaseModel]
) -> list[FieldProblem]:
    """Return the errors in the fields of a model, without long texts of the input.

    :param error: what pydantic raised
    :param received: the input, as plain values
    :param model: what was expected
    """
    texts = _texts(received)
    names = [field.alias or name for name, field in model.model_fields.items()]
    details = error.errors(include_url=False, include_context=False, include_input=False)
    shown = [
        _field_problem(item["type"], item["loc"], item["msg"], texts, names)
        for item in details[:_MAX_ERRORS]
    ]
    # error_list() only counts the rest.
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
    """Return a hint such as ``, did you mean 'atomic'?``, or what is known."""
    known_are = f", known are {', '.join(known)}" if known else ""
    return did_you_mean(word, known) or known_are


def _texts(received: object) -> list[str]:
    """Return up to 1,000 texts that may be secrets, the longest first."""
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
    """Log an error with its traceback, without secrets.

    :param what: what failed, such as ``GET /api/plugins failed``
    """
    text = "".join(traceback.format_exception(error)).rstrip("\n")
    logger.error("%s", redactor.redact(f"{what}\n{text}"))


def problem_of(error: Exception) -> Problem:
    """Return the answer to a request that ended with an error.

    :param error: a problem, an error of a plugin's route, or one of Starlette's, such as for an
        unknown path; of any other, which is unexpected, no details are shown
    """
    match error:
        case Problem():
            return error
        case RouteError():
            return Problem(error.status, error.detail, errors=error.errors)
        case HTTPException(status_code=status, detail=detail):
            if detail in (title_of(status), _title_in_python(status)):
                detail = _DETAILS.get(status, detail)

            return Problem(status, detail, headers=error.headers)
        case ClientDisconnect():
            return Problem(400, "the client went away")  # so no one reads it
        case _:
            return Problem(500, INTERNAL_ERROR)


_DETAILS = {
    404: "there is nothing here: /api/openapi.json describes what there is",
    405: "this method is not allowed here: see the header Allow",
}


def exception_handlers(redactor: Redactor) -> dict[Any, Any]:
    """Return handlers by which a Starlette application answers with problem details.

    The application raises an unexpected error again after its answer.
    """

    async def answer(request: Request, error: Exception) -> Response:
        return problem_of(error).response(redactor)

    expected = Problem, RouteError, HTTPException, ClientDisconnect
    return dict.fromkeys((*expected, Exception), answer)
