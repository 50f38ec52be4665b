"""The configuration of the Discord plugin as a whole."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lanrage_events.config import ConfigModel, Duration
from lanrage_events.events import utc_now
from lanrage_events.yaml import KeyPath

from .._client import WebhookURL, validate_invite_url, validate_webhook_url
from .._embeds import player_key
from .._quiet import Calendar, QuietConfig, make_calendar
from .batch import BatchConfig
from .cards import CardConfig, parse_cards, unreached
from .checks import WholeConfig, check_names, raise_problems, whole_config
from .routes import RouteConfig
from .webhook import WebhookConfig

DEFAULT_WEBHOOK = "default"
"""the name of the webhook that ``webhook_url`` stands for"""
_USER = re.compile("[0-9]{1,20}")
_SHOWN_CHARACTERS = 40
_COPY_ID = "with Discord's developer mode, right-click the user and choose Copy User ID"


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
        check_names([((), value)])
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
    players: dict[str, str] = Field(default_factory=dict)
    """ids of users in Discord, by the names of players or by their ``peer_id``, for the filter
    ``mention_player`` of templates. A name can be imitated, a ``peer_id`` hardly"""
    cards: Annotated[
        tuple[CardConfig, ...],
        BeforeValidator(parse_cards, json_schema_input_type=list[CardConfig] | bool | None),
    ] = ()
    """which parties have a card, where: a message that is edited in place; ``true`` for all parties, with
    the defaults"""
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
        token = whole_config.set(WholeConfig(allowed, names))
        try:
            return handler(data)
        finally:
            whole_config.reset(token)

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

        raise_problems(problems)
        return value

    @field_validator("players")
    @classmethod
    def _check_players(cls, value: dict[str, str]) -> dict[str, str]:
        first: dict[str, str] = {}
        problems: list[tuple[KeyPath, str]] = []
        for key, user in value.items():
            known = first.setdefault(player_key(key), key)
            if not key.strip():
                problems.append(((key,), "expected the name of a player or a peer_id"))
            elif known != key:
                problems.append(((key,), f"the same player as '{known}': remove one of them"))
            elif not _USER.fullmatch(user):
                shown = user[:_SHOWN_CHARACTERS]
                problems.append(((key,), f"expected the id of a user, not '{shown}': {_COPY_ID}"))

        raise_problems(problems)
        return value

    @field_validator("invite_url")
    @classmethod
    def _check_invite_url(cls, value: str | None) -> str | None:
        return validate_invite_url(value) if value and value.strip() else None

    @field_validator("routes")
    @classmethod
    def _check_routes(cls, value: tuple[RouteConfig, ...]) -> tuple[RouteConfig, ...]:
        # Those that are objects already, which are not validated again.
        check_names(
            ((index, "webhook", number), name)
            for index, route in enumerate(value)
            for number, name in enumerate(route.webhook or ())
        )
        return value

    @field_validator("cards")
    @classmethod
    def _check_cards(cls, value: tuple[CardConfig, ...]) -> tuple[CardConfig, ...]:
        check_names(
            ((index, "webhook", number), name)
            for index, card in enumerate(value)
            for number, name in enumerate(card.webhook)
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

        for index, card in enumerate(self.cards):
            for key, problem in card.warnings():
                yield ("cards", index, key), problem

        known = self.all_webhooks()
        for index, card in enumerate(self.cards):
            if known and DEFAULT_WEBHOOK in card.webhook and DEFAULT_WEBHOOK not in known:
                problem = (
                    f"no webhook is named '{DEFAULT_WEBHOOK}' here, so there is no such card until one is"
                    f" saved on the page: name others, such as 'webhook: {next(iter(known))}'"
                )
                yield ("cards", index), problem

        for index, problem in unreached(self.cards):
            yield ("cards", index), problem

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
