"""What is sent to a daemon and what its answers mean, for clients that wait and clients that block."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import anyio
import httpx

from lanrage_events.backoff import retry_after

from .address import TOKEN_VARIABLE, URL_VARIABLE, Token
from .answers import (
    TRANSIENT_STATUSES,
    DaemonError,
    PostAnswer,
    field_errors,
    media_type,
    rejections,
    texts,
)

# A daemon answers within milliseconds, unless its disk or its plugins are slow.
ATTEMPT_SECONDS = 10.0
CONNECT_SECONDS = 5.0
ANSWER_MAX_BYTES = 16 * 1024 * 1024
NETWORK_ERRORS = (httpx.HTTPError, httpx.InvalidURL, OSError, anyio.BrokenResourceError)


@dataclass(frozen=True, slots=True)
class Options:
    """Where a user gives the address and the token of a daemon, for messages."""

    url: str
    token: str


COMMAND_OPTIONS = Options("--url", "name a file that holds it with --token-file")


def request_headers(content: bytes) -> dict[str, str]:
    """Return the headers of a request.

    :param content: its body, empty if it has none
    """
    headers = {"Accept": "application/json, application/problem+json"}
    return {**headers, "Content-Type": "application/json"} if content else headers


def post_request(events: Sequence[Mapping[str, Any]], *, strict: bool) -> tuple[str, bytes]:
    """Return the path and the body with which events are posted.

    :param strict: whether a field that the event type does not have is an error
    """
    # Unlike another program, who types a field wants to know that it is wrong.
    path = "api/events?strict=true" if strict else "api/events"
    return path, json.dumps(events, separators=(",", ":")).encode()


class Exchange:
    """The requests to one daemon and the meaning of its answers; it does no input or output.

    :param url: of the daemon, from :func:`parse_url`
    :param token: the daemon's, if it has one
    :param options: where a user gives both, for messages
    :param is_patient: whether a daemon that has never answered is worth another attempt
    """

    def __init__(
        self, url: httpx.URL, token: Token | None, options: Options, *, is_patient: bool
    ) -> None:
        self.url = str(url).rstrip("/")
        self.has_answered = False
        self._token = token
        self._options = options
        self._is_patient = is_patient
        self.headers = {
            "User-Agent": f"lanrage-events/{version('lanrage-events')}",
            "Accept-Encoding": "identity",
        }
        if token is not None:
            self.headers["Authorization"] = f"Bearer {token.value}"

    def post_answer(
        self, response: httpx.Response, data: Mapping[str, Any], count: int
    ) -> PostAnswer:
        """Return what became of posted events.

        :param data: the content of the answer
        :param count: how many events were posted
        :raises DaemonError: if none was accepted
        """
        dropped = tuple(rejections(data.get("dropped"), count, "fields"))
        if response.status_code == 202:
            if not isinstance(data.get("ids"), list):
                raise self.unexpected_server(response.status_code)

            return PostAnswer(texts(data["ids"]), texts(data.get("repeated")), dropped=dropped)

        error = self.rejection(response, data)
        if "taken" not in data and "refused" not in data:
            raise error

        return PostAnswer(
            texts(data.get("taken")),
            texts(data.get("repeated")),
            tuple(rejections(data.get("refused"), count)),
            error if error.is_transient else None,
            dropped,
        )

    def decode(self, response: httpx.Response, body: bytes | bytearray) -> Mapping[str, Any]:
        """Return the JSON object of an answer: the result, or problem details.

        :raises DaemonError: if it has none
        """
        status, headers = response.status_code, response.headers
        if media_type(headers) in ("application/json", "application/problem+json"):
            try:
                data = json.loads(body)
            except (ValueError, RecursionError):
                data = None

            if isinstance(data, dict):
                return data

        if status in TRANSIENT_STATUSES:
            raise DaemonError(
                f"the proxy in front of the daemon at {self.url} gets no answer from it "
                f"(HTTP status {status})",
                is_transient=True,
                retry_after=retry_after(headers) or 0.0,
                status=status,
                is_in_doubt=status in (502, 504),
            )

        if 300 <= status < 400:
            raise DaemonError(
                f"{self.url} redirects to another address, which is not followed since it would get "
                f"the token: give the right one with {self._options.url}",
                status=status,
            )

        raise self.unexpected_server(status)

    @contextmanager
    def network_errors(self) -> Iterator[None]:
        """Turn errors of the network and the peer into ours."""
        try:
            yield
        except NETWORK_ERRORS as error:
            raise self._network_error(error) from None

    def too_slow(self, seconds: float) -> DaemonError:
        """Return the error for an attempt that takes too long."""
        return DaemonError(
            f"no answer from the daemon at {self.url} within {round(seconds, 1):g} seconds",
            is_transient=self.is_known,
            is_in_doubt=self.is_known,
        )

    @property
    def is_known(self) -> bool:
        """Whether the daemon has answered, or is expected to."""
        return self.has_answered or self._is_patient

    def unexpected_server(self, status: int) -> DaemonError:
        return DaemonError(
            f"{self.url} answers (HTTP status {status}), but not as lanrage-events does: it is "
            f"another program's address; give the daemon's with {self._options.url} or {URL_VARIABLE}",
            status=status,
        )

    def rejection(self, response: httpx.Response, data: Mapping[str, Any]) -> DaemonError:
        """Return the error in problem details, https://www.rfc-editor.org/rfc/rfc9457."""
        status = response.status_code
        if status == 401:
            return DaemonError(self._unauthorized(), status=status)

        reason = next(
            (
                text
                for key in ("detail", "title")
                if isinstance(text := data.get(key), str) and text
            ),
            f"HTTP status {status}",
        )
        # The reason may repeat some of them.
        errors = [item for item in field_errors(data.get("errors")) if item.message not in reason]
        if errors:
            reason += ": " + ", ".join(map(str, errors))

        return DaemonError(
            f"the daemon at {self.url} rejected the request: {reason}",
            is_transient=status in TRANSIENT_STATUSES,
            retry_after=retry_after(response.headers) or 0.0,
            status=status,
        )

    def _unauthorized(self) -> str:
        if self._token is not None:
            return f"the daemon at {self.url} has another token than {self._token.origin}"

        return (
            f"the daemon at {self.url} requires its token: put it into the environment variable "
            f"{TOKEN_VARIABLE}, or {self._options.token}"
        )

    def _network_error(self, error: Exception) -> DaemonError:
        detail = str(error)
        if "certificate" in detail.lower():
            return DaemonError(f"no safe connection to {self.url}: {detail}")

        if isinstance(error, httpx.ProxyError):
            return DaemonError(
                f"the proxy of the environment does not reach {self.url}: {detail}",
                is_transient=self.is_known,
            )

        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            if self.has_answered:
                return DaemonError(f"the daemon at {self.url} is gone", is_transient=True)

            return DaemonError(
                f"no daemon answers at {self.url}: start one with 'lanrage-events run', with the "
                f"plugin 'http', or say where it is with {self._options.url} or {URL_VARIABLE}",
                is_transient=self._is_patient,
            )

        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
            return self.unexpected_server(0)

        return DaemonError(
            f"the connection to the daemon at {self.url} broke: {detail or type(error).__name__}",
            is_transient=True,
            is_in_doubt=True,
        )
