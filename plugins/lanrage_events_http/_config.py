"""The HTTP plugin's configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from lanrage_events.config import ConfigModel, Duration

from ._server import HostPort, is_loopback, without_brackets

DEFAULT_PORT = 8666
TOKEN_MIN_CHARACTERS = 16
_MAKE_ONE = 'python -c "import secrets; print(secrets.token_urlsafe())"'


class HTTPConfig(ConfigModel):
    """Where the HTTP API and its page are served, to whom, and within which limits."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """the address or name to listen on; ``0.0.0.0`` for all IPv4 addresses of this machine, ``::``
    for all of IPv6 as well"""
    port: Annotated[int, Field(ge=0, le=65_535)] = DEFAULT_PORT
    """the TCP port; 0 for any free one"""
    token: Annotated[SecretStr | None, Field(validate_default=True)] = None
    """the secret that browsers and programs must send, at least 16 characters; required if other
    machines can reach ``host``"""
    allowed_hosts: tuple[str, ...] = ()
    """names besides ``host`` by which the server may be reached, such as a proxy's; with a port for
    this port only, without one for any"""
    max_connections: Annotated[int, Field(ge=2, le=10_000)] = 100
    """how many connections may be open; further ones are closed at once"""
    max_streams: Annotated[int, Field(ge=1, validate_default=True)] = 20
    """how many clients may follow the live feed, fewer than ``max_connections``"""
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

    @field_validator("token")
    @classmethod
    def _check_token(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            host = info.data.get("host")
            if host is not None and not is_loopback(host):
                # The message names the key, since the file does not contain it.
                raise ValueError(
                    f"other machines can reach host '{host}', so a token is required: set 'token' "
                    f"to at least {TOKEN_MIN_CHARACTERS} characters, made for example by "
                    f"{_MAKE_ONE}, or 'host' to 127.0.0.1"
                )

            return None

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
