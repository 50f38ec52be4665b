"""The configuration of the Discord plugin."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from lanrage_events.cli import did_you_mean
from lanrage_events.config import ConfigModel, Duration, EventFilter, Names
from lanrage_events.events import utc_now
from lanrage_events.yaml import KeyPath

from . import limits
from ._client import WebhookURL, validate_invite_url, validate_webhook_url
from ._embeds import explain_picture, explain_url, fit_mentions, length
from ._quiet import Calendar, QuietConfig, QuietTimesConfig, make_calendar

DEFAULT_WEBHOOK = "default"
"""the name of the webhook that ``webhook_url`` stands for"""


@dataclass(frozen=True, slots=True)
class _Whole:
    """What the parts of a configuration must know of the whole, even if that has other errors."""

    allow_hosts: tuple[str, ...]
    webhooks: frozenset[str] | None
    """the names, None if they are not known"""


_whole: ContextVar[_Whole | None] = ContextVar("whole", default=None)
"""that of the configuration whose parts are being checked"""


def _raise(problems: Iterable[tuple[KeyPath, str]]) -> None:
    """Raise an error that has problems with their paths, unless there is none."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError("value", "{reason}", {"reason": message}),
            loc=path,
            input=None,  # it may hold a secret
        )
        for path, message in problems
    ]
    if details:
        raise ValidationError.from_exception_data("DiscordConfig", details, hide_input=True)


def _check_names(names: Iterable[tuple[KeyPath, str]]) -> None:
    """Raise an error that has the names, with their paths, that no webhook has."""
    whole = _whole.get()
    if whole is None or whole.webhooks is None:
        return

    known = sorted(whole.webhooks)
    all_known = f", known: {', '.join(known)}"
    _raise(
        (path, f"no webhook is named '{name}'{did_you_mean(name, known) or all_known}")
        for path, name in names
        if name not in whole.webhooks
    )


def _fits(maximum: int) -> AfterValidator:
    """Check a length in UTF-16 units, in which it is at least what any other reading gives."""

    def check(text: str) -> str:
        if (count := length(text)) > maximum:
            raise ValueError(
                f"expected at most {maximum} characters, found {count}: an emoji may count as two"
            )

        return text

    return AfterValidator(check)


Snowflake = Annotated[str, Field(pattern=r"^[0-9]{1,20}$", examples=["123456789012345678"])]
_Blank = Annotated[str, Field(pattern=r"^\s*$")]


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


_TRUTH = TypeAdapter(bool)


def _parse_switch(value: object) -> object:
    """Return keys with values, none of them for a truth value, which a placeholder makes a text."""
    if value is None or isinstance(value, (Mapping, ConfigModel)):
        return value

    try:
        return {} if _TRUTH.validate_python(value) else None
    except ValidationError:
        keys = ", ".join(FlappingConfig.model_fields)
        raise ValueError(f"expected true, false, or keys with values: {keys}") from None


_Username = Annotated[
    str,
    Field(max_length=limits.USERNAME_MAX_CHARACTERS),
    _fits(limits.USERNAME_MAX_CHARACTERS),
]
_ThreadName = Annotated[
    str,
    Field(max_length=limits.THREAD_NAME_MAX_CHARACTERS),
    _fits(limits.THREAD_NAME_MAX_CHARACTERS),
]


_EXAMPLE_URL = f"https://discord.com/api/webhooks/123456789012345678/{'example-' * 8}token"


_Settle = Annotated[Duration, Field(ge=0, le=600)]


class SettleConfig(ConfigModel):
    """How long it must last that someone joined or left before it is posted."""

    leave: _Settle = 25.0
    """who comes back earlier has not left; 0s to post each leave at once"""
    join: _Settle = 0.0
    """who leaves earlier has not joined; 0s to post each join at once"""

    @property
    def is_on(self) -> bool:
        """Whether anything must last."""
        return bool(self.leave or self.join)


class FlappingConfig(ConfigModel):
    """When a connection is unsteady, so that it is posted once and then not again for a while."""

    times: Annotated[int, Field(ge=2, le=100)] = 4
    """how many reconnects are too many"""
    within: Annotated[Duration, Field(gt=0, le=86_400)] = 600.0
    """in how long"""
    quiet: Annotated[Duration, Field(gt=0, le=86_400)] = 900.0
    """how long nothing must change until joins and leaves are posted again"""


class BatchConfig(ConfigModel):
    """How events that happen at about the same time are posted together."""

    window: Annotated[Duration, Field(ge=0, le=60)] = 0.5
    """how long events are gathered before they are sent"""
    immediate: bool = True
    """whether the first event after a quiet window is sent at once, without gathering"""
    style: Literal["digest", "embeds"] = "digest"
    """``digest`` lists several events in one embed; ``embeds`` shows up to 10 embeds in a message"""
    max_messages: Annotated[int, Field(ge=1)] | None = None
    """how many messages a batch may take; the rest of it becomes one counted line"""
    settle: SettleConfig = SettleConfig()
    """how long it must last that someone joined or left before it is posted"""
    reconnects: Literal["count", "post", "omit"] = "count"
    """whether it is said that someone left and came back in time: ``count`` says it in the next
    message, ``post`` also in one of its own, ``omit`` not at all"""
    flapping: Annotated[
        FlappingConfig | None,
        BeforeValidator(_parse_switch, json_schema_input_type=FlappingConfig | bool | None),
    ] = FlappingConfig()
    """when a connection is unsteady, which is posted once; ``false`` to post each reconnect as above"""

    @model_validator(mode="after")
    def _check_flapping(self) -> Self:
        flapping, leave = self.flapping, self.settle.leave
        if flapping is not None and flapping.within < leave:
            within = f"{flapping.within:g}s"
            short = f"{within} is shorter than settle.leave, {leave:g}s: make it longer"
            long = f"{leave:g}s is longer than flapping.within, {within}: make it shorter"
            _raise([(("flapping", "within"), short), (("settle", "leave"), long)])

        return self


class WebhookConfig(ConfigModel):
    """One webhook, and how its messages look."""

    url: Annotated[SecretStr, Field(examples=[_EXAMPLE_URL])]
    """the webhook's URL as copied from Discord"""
    thread_id: Annotated[
        Snowflake | None,
        BeforeValidator(_blank_is_none, json_schema_input_type=Snowflake | _Blank | None),
    ] = None
    """the thread to post to; at most one of this and ``thread_name``"""
    thread_name: Annotated[
        _ThreadName | None,
        BeforeValidator(_blank_is_none, json_schema_input_type=_ThreadName | _Blank | None),
    ] = None
    """in a forum channel: the name of the post that is created for the messages"""
    username: Annotated[
        _Username | None,
        BeforeValidator(_blank_is_none, json_schema_input_type=_Username | _Blank | None),
    ] = None
    """the name to show in place of the webhook's; blank for none"""
    avatar_url: Annotated[str | None, BeforeValidator(_blank_is_none)] = None
    """the picture to show in place of the webhook's; blank for none"""
    batch: BatchConfig | None = None
    """how events are gathered for this webhook; like the plugin's ``batch`` if it is missing"""
    quiet: tuple[QuietConfig, ...] | None = None
    """when this webhook is quiet; like the plugin's ``quiet`` if it is missing, never if it is empty"""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: SecretStr) -> SecretStr:
        url, whole = value.get_secret_value(), _whole.get()
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
        name = (self.username or "").strip()
        if name.lower() not in limits.USERNAMES_RESERVED:
            return ""

        return f"Discord does not allow the name '{name}': choose another name"

    @property
    def avatar_problem(self) -> str:
        """Why Discord does not accept the address of the picture, empty if it does."""
        problem = explain_url(self.avatar_url) if self.avatar_url else ""
        return f"Discord does not accept the address: {problem}" if problem else ""

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield the settings that have no effect, each with what is wrong."""
        for key in ("thread_name", "username"):
            if "{{" in (getattr(self, key) or ""):
                yield key, "is no template, so '{{' is shown as it is written: write a fixed name"

        if self.username_problem:
            yield "username", f"{self.username_problem}. The webhook's own is shown"

        if self.avatar_problem:
            yield "avatar_url", f"{self.avatar_problem}. The webhook's own picture is shown"
        elif self.avatar_url and (problem := explain_picture(self.avatar_url)):
            yield "avatar_url", problem


class MentionCondition(ConfigModel):
    """What must be so that a message mentions someone."""

    count: Annotated[int, Field(ge=1, le=1_000_000)]
    """how many players the party must have, at least; it needs the plugin ``parties``, which counts
    them. Then each role and user is mentioned once in a party"""


class MentionConfig(ConfigModel):
    """Whom a message mentions."""

    roles: tuple[Snowflake, ...] = ()
    """ids of roles, which must be mentionable in Discord"""
    users: tuple[Snowflake, ...] = ()
    """ids of users"""
    cooldown: Annotated[Duration, Field(ge=0)] = 300.0
    """how long the same role or user is not mentioned again"""
    when: MentionCondition | None = None
    """what must be so that they are mentioned; always if it is missing"""
    quiet: tuple[QuietTimesConfig, ...] = ()
    """when they are not mentioned, although the message is posted"""

    @cached_property
    def calendar(self) -> Calendar:
        """When they are not mentioned."""
        return make_calendar(self.quiet)

    def warning(self) -> str:
        """Return how many of them a message can mention, empty if it can mention all."""
        roles, users = dict.fromkeys(self.roles), dict.fromkeys(self.users)
        wanted, fitting = len(roles) + len(users), sum(map(len, fit_mentions(roles, users)))
        if fitting == wanted:
            return ""

        return f"a message has room for {fitting} of these {wanted} mentions: the last are left out"


class RouteConfig(EventFilter):
    """Which events go where, and how."""

    webhook: Names | None = None
    """names of webhooks; all if it is missing, none if it is empty"""
    stop: bool = False
    """whether the routes below this one do not see the events that it matches"""
    silent: bool = False
    """whether the messages arrive without a notification"""
    mention: MentionConfig | None = None
    """whom the messages mention"""
    immediate: bool = False
    """whether the events are sent at once, without gathering"""
    important: bool = False
    """whether quiet hours and mutes do not apply to the events"""

    @field_validator("webhook")
    @classmethod
    def _check_webhook(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        _check_names(((index,), name) for index, name in enumerate(value or ()))
        return value


class AlertsConfig(ConfigModel):
    """Who learns that something does not work, and after how long."""

    webhook: str
    """the name of the webhook that alerts are posted to, whatever the routes say; best one that
    nothing else uses"""
    late_after: Annotated[Duration, Field(ge=60, le=604_800)] = 300.0
    """how long an event may wait for its delivery"""
    silent_after: dict[str, Annotated[Duration, Field(ge=60, le=2_678_400)]] = Field(
        default_factory=dict
    )
    """for sources, how long nothing may come from them while the daemon runs: the names of plugins,
    such as ``logfile`` and ``http``, and ``stdin``"""
    cooldown: Annotated[Duration, Field(ge=60, le=604_800)] = 1800.0
    """how long the same problem is not reported again"""

    @field_validator("webhook")
    @classmethod
    def _check_webhook(cls, value: str) -> str:
        _check_names([((), value)])
        return value


class DiscordConfig(ConfigModel):
    """The Discord plugin's configuration."""

    allow_hosts: tuple[str, ...] = ()
    """hosts that webhook URLs may name beside Discord's own, each with its port, http included;
    for proxies and tests"""
    webhook_url: SecretStr | None = None
    """the webhook that everything is sent to; short for ``webhooks: {default: {url: …}}``. Without
    it, one that was saved on the setup page is used"""
    invite_url: str | None = None
    """an invite to the voice channel, which templates show. Without it, one that was saved on the
    setup page is used"""
    batch: BatchConfig = BatchConfig()
    """how events that happen at about the same time are posted together"""
    webhooks: dict[str, WebhookConfig] = Field(default_factory=dict)
    """webhooks by name"""
    routes: tuple[RouteConfig, ...] = ()
    """which events go to which webhooks; without any, all events go to all of them"""
    max_age: dict[str, Annotated[Duration, Field(gt=0)]] = Field(default_factory=dict)
    """for event types, base types or patterns, how old an event may be when it is posted"""
    quiet: tuple[QuietConfig, ...] = ()
    """when webhooks are quiet; it does not apply to routes that are ``important``, nor to alerts"""
    alerts: AlertsConfig | None = None
    """who learns that something does not work, and that it works again; no one if it is missing"""

    @model_validator(mode="wrap")
    @classmethod
    def _know_whole(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # From the raw data: an error in one part does not hide those in others.
        raw = data if isinstance(data, Mapping) else {}
        webhooks, hosts = raw.get("webhooks", {}), raw.get("allow_hosts", ())
        hosts = hosts if isinstance(hosts, list | tuple) else ()
        # The default webhook may also come from the setup page.
        names = frozenset([*webhooks, DEFAULT_WEBHOOK]) if isinstance(webhooks, Mapping) else None
        allowed = tuple(host for host in hosts if isinstance(host, str))
        token = _whole.set(_Whole(allowed, names))
        try:
            return handler(data)
        finally:
            _whole.reset(token)

    @field_validator("webhook_url")
    @classmethod
    def _check_webhook_url(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None or not value.get_secret_value().strip():
            return None

        validate_webhook_url(value.get_secret_value(), info.data.get("allow_hosts", ()))
        return value

    @field_validator("webhooks")
    @classmethod
    def _check_webhooks(
        cls, value: dict[str, WebhookConfig], info: ValidationInfo
    ) -> dict[str, WebhookConfig]:
        problems: list[tuple[KeyPath, str]] = []
        for name, webhook in value.items():
            try:
                validate_webhook_url(
                    webhook.url.get_secret_value(), info.data.get("allow_hosts", ())
                )
            except ValueError as error:
                problems.append(((name, "url"), str(error)))

        if DEFAULT_WEBHOOK in value and info.data.get("webhook_url") is not None:
            text = f"at most one of webhook_url and webhooks.{DEFAULT_WEBHOOK}"
            problems.append(((DEFAULT_WEBHOOK,), text))

        _raise(problems)
        return value

    @field_validator("invite_url")
    @classmethod
    def _check_invite_url(cls, value: str | None) -> str | None:
        return validate_invite_url(value) if value and value.strip() else None

    @field_validator("routes")
    @classmethod
    def _check_routes(cls, value: tuple[RouteConfig, ...]) -> tuple[RouteConfig, ...]:
        # Those that are objects already, which are not validated again.
        _check_names(
            ((index, "webhook", number), name)
            for index, route in enumerate(value)
            for number, name in enumerate(route.webhook or ())
        )
        return value

    def warnings(self) -> Iterator[tuple[KeyPath, str]]:
        """Yield the paths of settings that have no effect, each with what is wrong."""
        for name, webhook in self.webhooks.items():
            for key, problem in webhook.warnings():
                yield ("webhooks", name, key), problem

        settle = self.batch.settle
        for kind, what, seconds in (
            ("peer_left", "leave", settle.leave),
            ("peer_joined", "join", settle.join),
        ):
            if 0 < self.max_age.get(kind, math.inf) <= seconds:
                problem = (
                    f"is not longer than batch.settle.{what}, {seconds:g}s, so no such event would be"
                    " posted: make it longer, or settle shorter"
                )
                yield ("max_age", kind), problem

        for index, route in enumerate(self.routes):
            if route.mention is not None and (problem := route.mention.warning()):
                yield ("routes", index, "mention"), problem

        for path, calendar in self._calendars():
            if calendar.next_change(utc_now()) is None and calendar.at(utc_now()).holds:
                yield path, "these hours never end, so nothing is posted"

    def _calendars(self) -> Iterator[tuple[KeyPath, Calendar]]:
        yield ("quiet",), make_calendar(self.quiet)
        for name, webhook in self.webhooks.items():
            yield ("webhooks", name, "quiet"), make_calendar(webhook.quiet or ())

    def all_webhooks(self) -> dict[str, WebhookConfig]:
        """Return the webhooks by name, the short form's among them."""
        if self.webhook_url is None:
            return dict(self.webhooks)

        return {DEFAULT_WEBHOOK: WebhookConfig(url=self.webhook_url), **self.webhooks}

    def address(self, webhook: WebhookConfig) -> WebhookURL:
        """Return the checked address of one of the webhooks."""
        return validate_webhook_url(webhook.url.get_secret_value(), self.allow_hosts)
