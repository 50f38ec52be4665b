"""What the adapters of the Python clients share: they obey JSON lines, in an environment of their own.

A line has ``call``, the webhook's ``base``, ``id`` and ``token``, and what the call needs. The
client has a method of this name. With ``connect``, an async context manager, it gets the first three
there, and what that yields are the first arguments of its methods, which are async then.

The answer has ``result``, or ``rejected`` with the status and the code that the client reports, or
``crashed`` with the traceback of the client.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import traceback
from typing import Any

LINK = "https://example.com/lan"
TEXT = "# LAN <@140000000000000001>"
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
            try:
                result = runner.run(_call(client, request))
            except Rejected as error:
                answer: dict[str, Any] = {"rejected": [error.status, error.code]}
            except Exception:
                answer = {"crashed": traceback.format_exc()}
            else:
                answer = {"result": result}

            print(json.dumps(answer), flush=True)


async def _call(client: Any, request: dict[str, Any]) -> Any:
    call = getattr(client, request.pop("call"))
    if not hasattr(client, "connect"):
        return call(**request)

    address = [request.pop(key) for key in ("base", "id", "token")]
    async with client.connect(*address) as arguments:
        return await call(*arguments, **request)
