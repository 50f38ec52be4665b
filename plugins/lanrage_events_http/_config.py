"""The HTTP plugin's configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from lanrage_events.config import ConfigModel, Duration
from lanrage_events.http import Scope

from ._server import HostPort, Network, Token, is_loopback, parse_network, without_brackets

DEFAULT_PORT = 8666
TOKEN_MIN_CHARACTERS = 16
_FULL = "token"
"""the name of the token that the key of this name gives"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_MAKE_ONE = 'python -c "import secrets; print(secrets.token_urlsafe())"'


def _check_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if len(token) < TOKEN_MIN_CHARACTERS:
        raise ValueError(
            f"expected at least {TOKEN_MIN_CHARACTERS} characters, found {len(token)}: "
            f"make one by {_MAKE_ONE}"
        )

    # What a header and a login form transmit unchanged.
    if not all("!" <= character <= "~" for character in token):
        raise ValueError("expected ASCII letters, digits and signs only, without spaces")

    return value


class TokenConfig(ConfigModel):
    """A token, and what it allows."""

    token: Annotated[SecretStr, AfterValidator(_check_token)]
    """the secret itself, at least 16 characters, unlike every other token"""
    scopes: tuple[Scope, ...]
    """``publish`` to publish events, ``read`` to see everything, ``admin`` for all that there is"""

    @field_validator("scopes", mode="before", json_schema_input_type=Scope | tuple[Scope, ...])
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("scopes")
    @classmethod
    def _check_scopes(cls, value: tuple[Scope, ...]) -> tuple[Scope, ...]:
        if not value:
            raise ValueError("expected at least one of 'publish', 'read' and 'admin'")

        return value


class HTTPConfig(ConfigModel):
    """Where the HTTP API and its page are served, to whom, and within which limits."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """the address or name to listen on; ``0.0.0.0`` for all IPv4 addresses of this machine, ``::``
    for all of IPv6 as well"""
    port: Annotated[int, Field(ge=0, le=65_535)] = DEFAULT_PORT
    """the TCP port; 0 for any free one"""
    tokens: dict[str, TokenConfig] = Field(default_factory=dict)
    """further tokens by name, each with what it allows; the name is shown, such as in the list of
    sessions"""
    token: Annotated[SecretStr | None, Field(validate_default=True)] = None
    """the secret that browsers and programs must send, at least 16 characters, for everything;
    without ``tokens`` required if other machines can reach ``host``"""
    allowed_hosts: tuple[str, ...] = ()
    """names besides ``host`` by which the server may be reached, such as a proxy's; with a port for
    this port only, without one for any"""
    trusted_proxies: tuple[str, ...] = ()
    """addresses and networks of reverse proxies, such as ``127.0.0.1`` or ``10.0.0.0/24``, whose
    header ``X-Forwarded-For`` names the client"""
    max_connections: Annotated[int, Field(ge=2, le=10_000)] = 100
    """how many connections may be open; further ones are closed at once. One address may have
    half of them"""
    max_streams: Annotated[int, Field(ge=1, validate_default=True)] = 20
    """how many clients may follow the live feed, fewer than ``max_connections``; one address may
    have half of them"""
    max_body: Annotated[int, Field(ge=1_024, le=100 * 1_024 * 1_024)] = 1_024 * 1_024
    """how many bytes the body of a request may have"""
    repeat_window: Annotated[Duration, Field(ge=0, le=86_400)] = 600.0
    """how long an event's ``id`` is remembered, so that an event that is sent again is published
    once"""

    @field_validator("host")
    @classmethod
    def _check_host(cls, value: str) -> str:
        host = without_brackets(value.strip().lower())
        if "://" in host or "/" in host:
            raise ValueError("expected an address or a name alone, such as '127.0.0.1'")

        parsed = HostPort.parse(value.strip()) or HostPort.parse(f"[{host}]")
        if parsed is None:
            raise ValueError(
                "expected an address or a name, such as '127.0.0.1'; the port has a key of its own"
            )

        if parsed.port is not None:
            raise ValueError("expected an address or a name without port: set 'port'")

        return host

    @field_validator("tokens")
    @classmethod
    def _check_tokens(cls, value: dict[str, TokenConfig]) -> dict[str, TokenConfig]:
        names: dict[str, str] = {}
        for name, config in value.items():
            if not _NAME.fullmatch(name):
                text = "expected a name of up to 40 letters, digits and '_', '-' or '.'"
                raise _error((name,), text)

            if name == _FULL:
                raise _error((name,), "this is the name of the key 'token': choose another one")

            first = names.setdefault(config.token.get_secret_value(), name)
            if first != name:
                text = f"it is the same as that of '{first}': make another one by {_MAKE_ONE}"
                raise _error((name, "token"), text)

        return value

    @field_validator("token")
    @classmethod
    def _check_token(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        tokens: dict[str, TokenConfig] | None = info.data.get("tokens")
        if value is None:
            host = info.data.get("host")
            if host is not None and tokens == {} and not is_loopback(host):
                # The message names the key, since the file does not contain it.
                raise ValueError(
                    f"other machines can reach host '{host}', so a token is required: set 'token' "
                    f"to at least {TOKEN_MIN_CHARACTERS} characters, made for example by "
                    f"{_MAKE_ONE}, or 'host' to 127.0.0.1"
                )

            return None

        _check_token(value)
        for name, other in (tokens or {}).items():
            if other.token == value:
                raise ValueError(
                    f"it is the same as that of '{name}' in 'tokens': make another one by "
                    f"{_MAKE_ONE}"
                )

        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_trusted_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, text in enumerate(value):
            try:
                if parse_network(text).prefixlen == 0:
                    raise ValueError("this is everyone")
            except ValueError as error:
                raise _error(
                    (index,),
                    f"expected an address or a network, such as '127.0.0.1' or '10.0.0.0/24': {error}",
                ) from None

        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _check_allowed_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if "://" in name or HostPort.parse(name) is None:
                raise ValueError(
                    f"'{name}': expected a name with or without port, such as 'lan.example.org'"
                )

        return value

    @field_validator("max_streams")
    @classmethod
    def _check_max_streams(cls, value: int, info: ValidationInfo) -> int:
        most = info.data.get("max_connections")
        if most is not None and value >= most:
            raise ValueError(
                f"max_streams, {value}, must be less than max_connections, {most}, so that there "
                "is room for other requests"
            )

        return value

    def all_tokens(self) -> Iterator[Token]:
        """Yield every token, with what it allows."""
        if self.token is not None:
            yield Token(_FULL, self.token.get_secret_value())

        for name, config in self.tokens.items():
            yield Token(name, config.token.get_secret_value(), frozenset(config.scopes))

    def proxies(self) -> Iterator[Network]:
        """Yield the networks of the trusted proxies."""
        yield from map(parse_network, self.trusted_proxies)


def _error(path: tuple[int | str, ...], text: str) -> ValidationError:
    """Return an error at a place within a field."""
    kind = PydanticCustomError("http", "{text}", {"text": text})
    return ValidationError.from_exception_data(
        "HTTPConfig", [InitErrorDetails(type=kind, loc=path, input=None)], hide_input=True
    )
