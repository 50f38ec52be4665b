"""The operation that removes a person from everything that the daemon keeps."""

from __future__ import annotations

from dataclasses import asdict

from lanrage_events import StateInUse
from lanrage_events.abc import Bus
from lanrage_events.events import FieldProblem
from lanrage_events.forgetting import forget

from .._problem import Problem
from .models import ForgetRequest, ForgetResult
from .operation import RETRY_AFTER, Call, Operation


def forget_operation(bus: Bus) -> Operation:
    """Return the operation that removes a person."""

    async def answer(call: Call) -> ForgetResult:
        try:
            report = await forget(bus, call.body.name)
        except ValueError as error:
            errors = [FieldProblem("name", str(error))]
            raise Problem(422, "the body is not valid", errors=errors) from None
        except StateInUse as error:
            raise Problem(503, str(error), headers=RETRY_AFTER) from None

        return ForgetResult.model_validate(asdict(report))

    return Operation(
        method="POST",
        path="/api/forget",
        name="forgetPerson",
        group="privacy",
        description=(
            "Remove a person from everything that the daemon keeps. What waits and names the person is "
            "dropped; what was delivered, written to logs or copied to backups stays there."
        ),
        handler=answer,
        request=ForgetRequest,
        responses={200: ForgetResult},
        errors={
            400: "the body is not JSON",
            413: "the body is too large",
            415: "the body is not JSON",
            422: "the body names no person",
            503: "another process uses the state folder",
        },
    )
