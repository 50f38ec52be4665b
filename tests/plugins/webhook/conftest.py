"""Stand-ins for the services of the presets, which enforce the rules of the real ones."""

from __future__ import annotations

import base64
import hmac
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote

import httpx
import pytest

KEY = base64.b64encode(bytes(range(32))).decode()


@dataclass
class StandIn:
    """A service: call it with a request. What it has accepted is in ``accepted``."""

    host: ClassVar[str] = "example.org"
    accepted: list[Any] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    answers: list[Callable[[httpx.Request], httpx.Response]] = field(default_factory=list)
    """given first, one for each request, before the rules of the service apply"""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers.pop(0)(request) if self.answers else self.answer(request)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Accept anything, as JSON if it is."""
        self.accepted.append(json.loads(request.content) if is_json(request) else request.content)
        return httpx.Response(200, text="ok")

    def limit(self, seconds: int) -> None:
        """Answer the next request as if there were too many."""
        self.answers.append(lambda _: httpx.Response(429, headers={"Retry-After": f"{seconds}"}))


def is_json(request: httpx.Request) -> bool:
    return request.headers["Content-Type"].partition(";")[0].endswith("json")


@dataclass
class Slack(StandIn):
    """https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""

    host: ClassVar[str] = "hooks.slack.com"
    path: ClassVar[str] = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != self.path:
            return httpx.Response(404, text="no_service")

        try:
            data = json.loads(request.content)
        except ValueError:
            data = None

        if request.method != "POST" or not is_json(request) or not isinstance(data, dict):
            return httpx.Response(400, text="invalid_payload")

        if not isinstance(data.get("text"), str) or not data["text"].strip():
            return httpx.Response(400, text="no_text")

        self.accepted.append(data)
        return httpx.Response(200, text="ok")


class Shown(HTMLParser):
    """Reads Telegram's HTML: https://core.telegram.org/bots/api#html-style."""

    TAGS = frozenset({"a", "b", "blockquote", "code", "i", "pre", "s", "tg-spoiler", "u"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        if self.open or re.search(r"<(?![/a-z])", text):
            raise ValueError("can't parse entities: Can't find end tag")

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.TAGS:
            raise ValueError(f'can\'t parse entities: Unsupported start tag "{tag}"')

        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise ValueError("can't parse entities: Unexpected end tag")

    def handle_data(self, data: str) -> None:
        self.text += data


@dataclass
class Telegram(StandIn):
    """https://core.telegram.org/bots/api."""

    host: ClassVar[str] = "api.telegram.org"
    token: ClassVar[str] = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"
    chat: ClassVar[str] = "-1001234567890"

    def answer(self, request: httpx.Request) -> httpx.Response:
        match = re.fullmatch(r"/bot([^/]+)/(\w+)", unquote(request.url.path))
        if match is None or match[1] != self.token:
            return self.error(401, "Unauthorized")

        data = json.loads(request.content) if match[2] == "sendMessage" else request.url.params
        if str(data.get("chat_id")) != self.chat:
            return self.error(400, "Bad Request: chat not found")

        if match[2] == "getChat":
            return httpx.Response(200, json={"ok": True, "result": {"id": int(self.chat)}})

        try:
            shown = Shown(data["text"])
        except ValueError as error:
            return self.error(400, f"Bad Request: {error}")

        if not shown.text.strip():
            return self.error(400, "Bad Request: message text is empty")

        if len(shown.text.encode("utf-16-le")) // 2 > 4096:
            return self.error(400, "Bad Request: message is too long")

        self.accepted.append({**data, "shown": shown})
        return httpx.Response(200, json={"ok": True, "result": {"message_id": 1}})

    @staticmethod
    def error(code: int, description: str, **parameters: int) -> httpx.Response:
        data = {"ok": False, "error_code": code, "description": description}
        return httpx.Response(code, json=data | ({"parameters": parameters} if parameters else {}))

    def limit(self, seconds: int) -> None:
        text = f"Too Many Requests: retry after {seconds}"
        self.answers.append(lambda _: self.error(429, text, retry_after=seconds))


@dataclass
class Matrix(StandIn):
    """https://spec.matrix.org/v1.11/client-server-api."""

    host: ClassVar[str] = "matrix.example.org"
    token: ClassVar[str] = "syt_bGFu_abcdefghijklmnop"
    room: ClassVar[str] = "!lan:example.org"
    transactions: dict[str, str] = field(default_factory=dict)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return self.error(401, "M_UNKNOWN_TOKEN", "Invalid access token passed.")

        path = request.url.raw_path.decode()
        if (request.method, path) == ("GET", "/_matrix/client/v3/account/whoami"):
            return httpx.Response(200, json={"user_id": "@lan:example.org"})

        match = re.fullmatch(
            r"/_matrix/client/v3/rooms/([^/]+)/send/m\.room\.message/([^/]+)", path
        )
        if match is None or request.method != "PUT":
            return self.error(404, "M_UNRECOGNIZED", "Unrecognized request")

        if unquote(match[1]) != self.room:
            return self.error(403, "M_FORBIDDEN", "User not in room")

        data = json.loads(request.content)
        if not all(isinstance(data.get(key), str) for key in ("msgtype", "body")):
            return self.error(400, "M_BAD_JSON", "'body' not in content")

        if match[2] not in self.transactions:
            self.transactions[match[2]] = f"${len(self.transactions)}"
            self.accepted.append(data)

        return httpx.Response(200, json={"event_id": self.transactions[match[2]]})

    @staticmethod
    def error(status: int, code: str, text: str, **more: int) -> httpx.Response:
        return httpx.Response(status, json={"errcode": code, "error": text, **more})

    def limit(self, seconds: int) -> None:
        wait = seconds * 1000
        self.answers.append(
            lambda _: self.error(429, "M_LIMIT_EXCEEDED", "Too Many", retry_after_ms=wait)
        )


@dataclass
class Ntfy(StandIn):
    """https://docs.ntfy.sh/publish, and the errors of its server/errors.go."""

    host: ClassVar[str] = "ntfy.sh"
    token: ClassVar[str] = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization", f"Bearer {self.token}") != f"Bearer {self.token}":
            return self.error(40101, "unauthorized")

        if (request.method, request.url.path) == ("GET", "/v1/health"):
            return httpx.Response(200, json={"healthy": True})

        if (request.method, request.url.path) != ("POST", "/"):
            return self.error(40401, "page not found")

        data = json.loads(request.content)
        if not re.fullmatch(r"[-_A-Za-z0-9]{1,64}", data.get("topic", "")):
            return self.error(40009, "invalid request: topic invalid")

        if data.get("priority", 3) not in range(1, 6):
            return self.error(40007, "invalid priority parameter")

        if len(data["message"].encode()) > 4096:
            return self.error(40014, "invalid request: attachments not allowed")

        self.accepted.append(data)
        return httpx.Response(200, json={"id": "xE73Iyuabi", "event": "message", **data})

    @staticmethod
    def error(code: int, text: str) -> httpx.Response:
        status = code // 100
        return httpx.Response(status, json={"code": code, "http": status, "error": text})


@dataclass
class HomeAssistant(StandIn):
    """https://developers.home-assistant.io/docs/api/rest."""

    host: ClassVar[str] = "homeassistant.local"
    token: ClassVar[str] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.abcdefghijkl"

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return httpx.Response(401, text="401: Unauthorized")

        if (request.method, request.url.path) == ("GET", "/api/"):
            return httpx.Response(200, json={"message": "API running."})

        match = re.fullmatch(r"/api/events/(\w+)", request.url.path)
        if match is None:
            return httpx.Response(404, text="404: Not Found")

        data = json.loads(request.content)
        if not isinstance(data, dict):
            return httpx.Response(400, json={"message": "Event data should be a JSON object"})

        self.accepted.append({"fired": match[1], **data})
        return httpx.Response(200, json={"message": f"Event {match[1]} fired."})


@dataclass
class Signed(StandIn):
    """A receiver that verifies by Standard Webhooks, and takes each id once."""

    host: ClassVar[str] = "signed.example.org"
    now: Callable[[], float] = lambda: 0.0
    seen: dict[str, bytes] = field(default_factory=dict)

    def answer(self, request: httpx.Request) -> httpx.Response:
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        id, time, signatures = (request.headers.get(name, "") for name in names)
        content = f"{id}.{time}.".encode() + request.content
        expected = base64.b64encode(hmac.digest(base64.b64decode(KEY), content, "sha256")).decode()
        if f"v1,{expected}" not in signatures.split():
            return httpx.Response(401, text="wrong signature")

        if not id or "." in id or abs(self.now() - int(time)) > 300:
            return httpx.Response(400, text="too old, or no id")

        if id not in self.seen:
            self.seen[id] = request.content
            self.accepted.append(json.loads(request.content))

        return httpx.Response(204)


@dataclass
class CloudEvents(StandIn):
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md."""

    host: ClassVar[str] = "cloudevents.example.org"

    def answer(self, request: httpx.Request) -> httpx.Response:
        kind, data = request.headers["Content-Type"], json.loads(request.content)
        if kind == "application/cloudevents-batch+json; charset=utf-8":
            events = data
        elif kind == "application/cloudevents+json; charset=utf-8":
            events = [data]
        else:
            return httpx.Response(415, text="no CloudEvents")

        for event in events:
            required = (event["id"], event["source"], event["type"])
            # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#attribute-naming-convention
            names = all(re.fullmatch("[a-z0-9]{1,20}", name) for name in event)
            if event["specversion"] != "1.0" or not all(required) or not names:
                return httpx.Response(400, text="not valid")

        self.accepted += events
        return httpx.Response(202)


class Services:
    """All stand-ins, by their hosts."""

    def __init__(self) -> None:
        self.slack = Slack()
        self.telegram = Telegram()
        self.matrix = Matrix()
        self.ntfy = Ntfy()
        self.home_assistant = HomeAssistant()
        self.signed = Signed()
        self.cloudevents = CloudEvents()
        self.other = StandIn()
        self.by_host: dict[str, StandIn] = {item.host: item for item in vars(self).values()}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        return self.by_host.get(request.url.host, self.other)(request)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))

    @contextmanager
    def serving(self, stand_in: StandIn) -> Iterator[str]:
        """Serve a stand-in on a real port, and return its address."""

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = f"http://{stand_in.host}{self.path}"
                request = httpx.Request(
                    self.command, url, headers=dict(self.headers), content=content
                )
                response = stand_in(request)
                self.send_response(response.status_code)
                for name, value in response.headers.items():
                    self.send_header(name, value)

                if "content-length" not in response.headers:
                    self.send_header("Content-Length", "0")

                self.end_headers()
                self.wfile.write(response.content)

            do_GET = do_POST = do_PUT = handle_any

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def services() -> Services:
    """Return the stand-ins."""
    return Services()


@pytest.fixture
def key() -> str:
    """Return the secret with which signatures are made."""
    return f"whsec_{KEY}"
