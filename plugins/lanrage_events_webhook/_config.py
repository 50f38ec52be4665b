"""The configuration of the webhook plugin."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import httpx
from pydantic import Field, field_validator, model_validator

from lanrage_events.config import ConfigModel, Duration, EventFilter, Names, SecretStr

from ._presets import ANY_SERVICE, SERVICES, Service

# RFC 9110, sections 5.1 and 5.5, without those that the plugin and the connection set.
_HEADER = re.compile(r"(?ai)(?!(content-length|host|transfer-encoding):)[\w!#$%&'*+.^`|~-]+:[ -~]*")
# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
_KEY_BYTES = range(24, 65)


class TargetConfig(ConfigModel):
    """One address that events are sent to, and what is sent."""

    preset: Literal["slack", "ntfy", "matrix", "home_assistant", "telegram"] | None = None
    """the service, which then needs no more than what it gives you"""
    url: SecretStr | None = None
    """where to send; with a preset, its server, or the whole address that Slack gives you"""
    to: Annotated[str, Field(min_length=1)] | None = None
    """with a preset: ntfy's topic, the id of Matrix's room, the id or @name of Telegram's chat, or the
    type of the event that Home Assistant fires"""
    token: SecretStr | None = None
    """sent as ``Authorization: Bearer``; that of a Telegram bot becomes a part of the address"""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """the method of HTTP; a preset has its own"""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """further headers, whose values are never shown"""
    body: dict[str, Any] | list[Any] | str | None = None
    """JSON whose texts are templates, or one template for plain text; the event as JSON by default.
    With a preset, keys to add, to change or, with null, to remove"""
    cloudevents: Annotated[str, Field(pattern=r"^\S+$")] | None = None
    """sends CloudEvents 1.0 with this ``source``, a URI, in place of ``body``"""
    batch: Annotated[int, Field(ge=1, le=1000)] | None = None
    """sends a list of the events that wait, up to this many; by default each is sent alone"""
    sign: SecretStr | None = None
    """the secret of a signature by Standard Webhooks: ``whsec_`` and base64"""
    timeout: Annotated[Duration, Field(gt=0, le=60)] = 10.0
    """how long a request may take"""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            url = httpx.URL(secret(value).strip()).copy_with(fragment=None)
        except httpx.InvalidURL:
            url = httpx.URL()

        if value is not None and (url.scheme not in ("https", "http") or not url.host):
            raise ValueError("expected a whole address, with https or http and a host")

        return value and SecretStr(str(url))

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, text in value.items():
            if not _HEADER.fullmatch(f"{name}:{secret(text)}"):
                raise ValueError(
                    f"'{name[:40]}' is set by the plugin, or is no header of printable ASCII characters"
                )

        return value

    @field_validator("sign")
    @classmethod
    def _check_sign(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            is_key = len(decode_key(value)) in _KEY_BYTES
        except ValueError:
            is_key = False

        if value is not None and not is_key:
            raise ValueError(
                "expected whsec_ and 24 to 64 random bytes in base64, which this makes:"
                ' echo "whsec_$(openssl rand -base64 32)"'
            )

        return value

    @model_validator(mode="after")
    def _check_parts(self) -> TargetConfig:
        if problem := next(self._problems(), ""):
            raise ValueError(problem)

        return self

    def _problems(self) -> Iterator[str]:
        name, given = self.preset or "a target", self.model_fields_set
        if missing := [key for key in self.service.needs if not getattr(self, key)]:
            yield f"{name} needs {' and '.join(missing)}"

        if not _HEADER.fullmatch(f"token:{secret(self.token)}"):
            yield "the token has other than printable ASCII characters"

        if self.token is not None and "authorization" in map(str.lower, self.headers):
            yield "at most one of token and the header Authorization can be given"

        if self.cloudevents is not None and self.body is not None:
            yield "at most one of cloudevents and body can be given"

        if self.batch is not None and isinstance(self.body, str):
            yield "a list of texts cannot be sent: remove batch, or give body keys"

        other = {"to"} if self.preset is None else {"method", "cloudevents", "batch"}
        if wrong := sorted(other & given):
            yield f"{name} takes no {' and no '.join(wrong)}"

        if self.preset is not None and not isinstance(self.body, dict | None):
            yield f"expected keys as body, since they are added to those of {name}"

    @property
    def receiver(self) -> str:
        """What identifies who receives, secrets included."""
        return f"{secret(self.url)} {self.to} {secret(self.token)}"

    @property
    def service(self) -> Service:
        """What the preset expects."""
        return ANY_SERVICE if self.preset is None else SERVICES[self.preset]


class RouteConfig(EventFilter):
    """Which events go to which targets."""

    target: Names | None = None
    """names of targets; all if it is missing, none if it is empty"""
    stop: bool = False
    """whether the routes below this one do not see the events that it matches"""

    def names(self, targets: Iterable[str]) -> Iterable[str]:
        """Return the names of its targets, which may be all of these."""
        return targets if self.target is None else self.target


class WebhookConfig(ConfigModel):
    """The webhook plugin's configuration."""

    targets: dict[str, TargetConfig] = Field(default_factory=dict)
    """what to send to, by names of your own"""
    routes: tuple[RouteConfig, ...] = ()
    """which events go to which targets; without any, all events go to all of them"""


def secret(value: SecretStr | None) -> str:
    """Return a secret, empty if there is none."""
    return "" if value is None else value.get_secret_value()


def decode_key(value: SecretStr | None) -> bytes:
    """Return the key of a signature.

    :raises ValueError: if it is not base64
    """
    return b64decode(secret(value).strip().removeprefix("whsec_"), validate=True)
