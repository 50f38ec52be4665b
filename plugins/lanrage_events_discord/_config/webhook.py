"""The settings of one webhook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from lanrage_events.config import ConfigModel

from .. import limits
from .._client import validate_webhook_url
from .._embeds import explain_picture, explain_url, explain_username
from .._quiet import QuietConfig
from .batch import BatchConfig
from .checks import Blank, Snowflake, blank_is_none, fits, whole_config
from .threads import Tags, ThreadName

_Username = Annotated[
    str,
    Field(max_length=limits.USERNAME_MAX_CHARACTERS),
    fits(limits.USERNAME_MAX_CHARACTERS),
]

_EXAMPLE_URL = f"https://discord.com/api/webhooks/123456789012345678/{'example-' * 8}token"


class WebhookConfig(ConfigModel):
    """One webhook, and how its messages look."""

    url: Annotated[SecretStr, Field(examples=[_EXAMPLE_URL])]
    """the webhook's URL as copied from Discord"""
    thread_id: Annotated[
        Snowflake | None,
        BeforeValidator(blank_is_none, json_schema_input_type=Snowflake | Blank | None),
    ] = None
    """the thread to post to; at most one of this and ``thread_name``"""
    thread_name: ThreadName = None
    """in a forum channel: the name of the post that is created for the messages; a template, such as
    ``{{ party_name }}``, for a post each"""
    applied_tags: Tags = ()
    """in a forum channel: ids of the tags of such a post, or templates that give one each"""
    username: Annotated[
        _Username | None,
        BeforeValidator(blank_is_none, json_schema_input_type=_Username | Blank | None),
    ] = None
    """the name to show in place of the webhook's; blank for none"""
    avatar_url: Annotated[str | None, BeforeValidator(blank_is_none)] = None
    """the picture to show in place of the webhook's; blank for none"""
    batch: BatchConfig | None = None
    """how events are gathered for this webhook; like the plugin's ``batch`` if it is missing"""
    quiet: tuple[QuietConfig, ...] | None = None
    """when this webhook is quiet; like the plugin's ``quiet`` if it is missing, never if it is empty"""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: SecretStr) -> SecretStr:
        url, whole = value.get_secret_value(), whole_config.get()
        hosts = [urlsplit(url.strip()).netloc] if whole is None else whole.allow_hosts
        validate_webhook_url(url, hosts)
        return value

    @field_validator("username")
    @classmethod
    def _check_username(cls, value: str | None) -> str | None:
        for word in limits.USERNAME_MUST_NOT_CONTAIN:
            if value is not None and word in value.lower():
                raise ValueError(f"Discord does not allow '{word}' in it: choose another name")

        return value

    @field_validator("avatar_url")
    @classmethod
    def _check_avatar_url(cls, value: str | None) -> str | None:
        if value is None or value.strip().startswith(("https://", "http://")):
            return value and value.strip()

        raise ValueError("expected the address of a picture, such as https://example.org/a.png")

    @model_validator(mode="after")
    def _check_thread(self) -> WebhookConfig:
        if self.thread_id is not None and self.thread_name is not None:
            raise ValueError("at most one of thread_id and thread_name can be given")

        return self

    @property
    def username_problem(self) -> str:
        """Why Discord does not accept the username, empty if it does."""
        problem = explain_username(self.username or "")
        return f"{problem}: choose another name" if problem else ""

    @property
    def avatar_problem(self) -> str:
        """Why Discord does not accept the address of the picture, empty if it does."""
        problem = explain_url(self.avatar_url) if self.avatar_url else ""
        return f"Discord does not accept the address: {problem}" if problem else ""

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield the settings that have no effect, each with what is wrong."""
        if "{{" in (self.username or ""):
            yield (
                "username",
                "is no template, so '{{' is shown as it is written: write a fixed name",
            )

        if self.username_problem:
            yield "username", f"{self.username_problem}. The webhook's own is shown"

        if self.avatar_problem:
            yield "avatar_url", f"{self.avatar_problem}. The webhook's own picture is shown"
        elif self.avatar_url and (problem := explain_picture(self.avatar_url)):
            yield "avatar_url", problem
