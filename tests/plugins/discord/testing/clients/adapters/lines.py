"""What the adapters of the Python clients share: they obey JSON lines, in an environment of their own.

A line has ``call``, the webhook's ``base``, ``id`` and ``token``, and what the call needs. The
answer has ``result``, or ``rejected`` with the status and the code that the client reports, or
``crashed`` with the traceback of the client.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Rejected(Exception):
    """Raised when the client reports that Discord rejects the call."""

    def __init__(self, status: int | None, code: int | None) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code


def serve(client: Any) -> None:
    """Answer the lines of standard input, each with one of the client's methods."""
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            request = json.loads(line)
            call: Callable[..., Any] = getattr(client, request.pop("call"))
            try:
                result = runner.run(_call(call, request))
            except Rejected as error:
                answer: dict[str, Any] = {"rejected": [error.status, error.code]}
            except Exception:
                answer = {"crashed": traceback.format_exc()}
            else:
                answer = {"result": result}

            print(json.dumps(answer), flush=True)


async def _call(call: Callable[..., Any], request: dict[str, Any]) -> Any:
    result = call(**request)
    return await result if inspect.isawaitable(result) else result
