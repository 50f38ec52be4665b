"""The Discord plugin's part of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from lanrage_events import ConfigModel, Duration

from ._urls import WebhookURL, validate_invite_url, validate_webhook_url


class BatchConfig(ConfigModel):
    """How events that come at about the same time are told together."""

    window: Annotated[Duration, Field(ge=0, le=60)] = 0.5
    """how long events are gathered before they are sent"""
    immediate: bool = True
    """whether the first event after a quiet window is sent at once, without gathering"""
    style: Literal["digest", "embeds"] = "digest"
    """``digest`` tells several events in the lines of one embed; ``embeds`` shows up to 10 embeds
    in a message"""
    max_messages: Annotated[int, Field(ge=1)] | None = None
    """how many messages a batch may be told in; the rest of it becomes one counted line"""


class DiscordConfig(ConfigModel):
    """The Discord plugin's configuration."""

    allow_hosts: tuple[str, ...] = ()
    """hosts that webhook URLs may name beside Discord's own, each with its port, http included;
    for proxies and tests"""
    webhook_url: SecretStr | None = None
    """the webhook that everything is sent to; without it nothing is sent"""
    invite_url: str | None = None
    """an invite to the voice channel, which templates show"""
    batch: BatchConfig = BatchConfig()
    """how events that come at about the same time are told together"""

    @field_validator("webhook_url")
    @classmethod
    def _check_webhook_url(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None or not value.get_secret_value().strip():
            return None

        validate_webhook_url(value.get_secret_value(), info.data.get("allow_hosts", ()))
        return value

    @field_validator("invite_url")
    @classmethod
    def _check_invite_url(cls, value: str | None) -> str | None:
        return validate_invite_url(value) if value and value.strip() else None

    def webhook(self) -> WebhookURL | None:
        """Return the checked address of the webhook, None if there is none."""
        if self.webhook_url is None:
            return None

        return validate_webhook_url(self.webhook_url.get_secret_value(), self.allow_hosts)
