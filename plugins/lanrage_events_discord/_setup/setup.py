"""The webhooks and the invite: where they come from, and how they change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import anyio

from lanrage_events import Redactor
from lanrage_events.config import EventTypes
from lanrage_events.events import EventRegistry
from lanrage_events.outbox import OutboxError

from .._client import OutcomeKind, WebhookURL, validate_invite_url, validate_webhook_url
from .._config import DEFAULT_WEBHOOK, BatchConfig, DiscordConfig, RouteConfig
from .._delivery import Lanes
from .._rendering import Style
from .directory import TURN_MAX_SECONDS, WebhookDirectory, cannot_ask
from .errors import (
    InvalidSetting,
    NameTaken,
    SetInConfiguration,
    SetupUnavailable,
    UnknownWebhook,
)
from .rejections import RejectionCache
from .settings import INVITE_URL, SavedWebhook, Settings
from .webhooks import configure, find_routes, find_webhooks

logger = logging.getLogger("lanrage_events.discord")

_MAX_WEBHOOKS = 100
"""that are saved, since each has a lane"""
_NAME_MAX_CHARACTERS = 50
_MAX_TYPES = 200
_ALL_EVENTS = "event"
"""the base type of all"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from."""

    source: Literal["yaml", "saved"] | None = None
    """the configuration, where it must be changed then, or the saved settings"""
    place: str | None = None
    """where it stands in the configuration, as ``file:line:column``"""


@dataclass(frozen=True, slots=True)
class Change:
    """What changes about a saved webhook; what is None stays."""

    name: str | None = None
    url: str | None = None
    events: tuple[str, ...] | None = None
    """event types, base types and patterns; ``event``, the base type of all, for all"""
    style: Style | None = None


class Setup:
    """What can be set up while the plugin runs: webhooks and the invite.

    What the configuration gives wins over what is saved.

    :param place: returns where a key of the plugin's configuration stands
    :param lanes: get the webhooks from :meth:`open_lanes`
    :param directory: asks Discord
    :param events: the event types that can be chosen
    :param rejections: what Discord must not be asked again right now
    """

    def __init__(
        self,
        config: DiscordConfig,
        settings: Settings,
        place: Callable[[str], str | None],
        *,
        lanes: Lanes,
        directory: WebhookDirectory,
        redactor: Redactor,
        rejections: RejectionCache,
        events: EventRegistry,
    ) -> None:
        self._config = config
        self._settings = settings
        self._place = place
        self._lanes = lanes
        self._directory = directory
        self._redactor = redactor
        self._rejections = rejections
        self._events = events
        self._changing = anyio.Lock()
        self._routes: tuple[RouteConfig, ...] = ()
        for name, webhook in settings.webhooks.items():
            redactor.add(webhook.url)
            if name not in config.all_webhooks():
                for message in self.unknown_types(name):
                    logger.warning(
                        "the saved webhook '%s' cannot post some events: %s", name, message
                    )

        self._saved_invite_url = self._read_invite_url()

    @property
    def invite_url(self) -> str | None:
        """The invite, None if there is none."""
        return self._config.invite_url or self._saved_invite_url

    @property
    def webhook_origin(self) -> Origin:
        """Where the default webhook comes from."""
        if self._config.webhook_url is not None:
            return Origin("yaml", self._place("webhook_url"))

        if DEFAULT_WEBHOOK in self._config.webhooks:
            place = self._place(f"webhooks.{DEFAULT_WEBHOOK}") or self._place("webhooks")
            return Origin("yaml", place)

        return Origin("saved" if DEFAULT_WEBHOOK in self._lanes.configured else None)

    def origin_of(self, webhook: str) -> Origin:
        """Where a webhook comes from, by its name."""
        if webhook == DEFAULT_WEBHOOK:
            return self.webhook_origin

        if webhook in self._config.webhooks:
            return Origin("yaml", self._place(f"webhooks.{webhook}") or self._place("webhooks"))

        return Origin("saved" if webhook in self._settings.webhooks else None)

    @property
    def saved(self) -> Mapping[str, SavedWebhook]:
        """The webhooks that are saved, those that are not used among them."""
        return self._settings.webhooks

    @property
    def routes_origin(self) -> Origin:
        """Where the routes come from; nowhere if what is chosen for the webhooks counts."""
        return Origin("yaml", self._place("routes")) if self._config.routes else Origin()

    @property
    def routes(self) -> tuple[RouteConfig, ...]:
        """The routes by now: the same object until they change."""
        return self._routes

    def find(self, webhook: str) -> SavedWebhook | None:
        """Return what is saved about a webhook, None if nothing is or the configuration has it."""
        saved = self._settings.webhooks.get(webhook)
        return saved if self.origin_of(webhook).source == "saved" else None

    def why_unused(self, webhook: str) -> str:
        """Return why a saved webhook is not used, empty if that is not known."""
        saved = self.find(webhook)
        try:
            if saved is not None:
                validate_webhook_url(saved.url, self._config.allow_hosts)
        except ValueError as error:
            return str(error)

        return ""

    def style_of(self, webhook: str) -> Style:
        """Return how a webhook shows several events at a time."""
        saved = self.find(webhook)
        if saved is not None and saved.style is not None:
            return saved.style

        configured = self._config.webhooks.get(webhook)
        return (configured and configured.batch or self._config.batch).style

    @property
    def batch(self) -> BatchConfig:
        """How events are posted together, unless a webhook says otherwise."""
        return self._config.batch

    def unknown_types(self, webhook: str) -> list[str]:
        """Return what is wrong with the types that are chosen for a saved webhook."""
        saved = self._settings.webhooks.get(webhook)
        return [*EventTypes((saved and saved.events) or ()).problems(self._events)]

    @property
    def invite_origin(self) -> Origin:
        """Where the invite comes from."""
        if self._config.invite_url is not None:
            return Origin("yaml", self._place("invite_url"))

        return Origin(None if self.invite_url is None else "saved")

    def open_lanes(self) -> None:
        """Make the lanes of the webhooks that the configuration gives, and of the saved ones."""
        for name, webhook in find_webhooks(self._config, self._settings).items():
            self._lanes.open(name, webhook)

        self._find_routes()

    async def set_webhook(self, url: str, *, ask: bool) -> None:
        """Give the default webhook another URL from now on, also after a restart.

        :param url: its URL; an empty one to stop sending
        :param ask: whether to ask Discord first if the webhook exists
        :raises SetupError: if that is not possible; nothing has changed then
        """
        url = url.strip()
        self._check_not_configured(DEFAULT_WEBHOOK)
        if url:
            await self._check_url(url, ask=ask)

        async with self._changing:
            before = self._settings.webhooks.get(DEFAULT_WEBHOOK, SavedWebhook(url))
            if url:
                await self._put(DEFAULT_WEBHOOK, replace(before, url=url))
            else:
                await self._take(DEFAULT_WEBHOOK)

    async def add_webhook(self, name: str, settings: Change, *, ask: bool) -> None:
        """Send events to another webhook from now on, also after a restart.

        :param name: under which it is known from then on
        :param settings: its URL and what else is chosen for it
        :param ask: whether to ask Discord first if the webhook exists
        :raises SetupError: if that is not possible; nothing has changed then
        """
        name = _check_name(name)
        self._check_free(name)
        events = self._check_events(settings.events)
        webhook = SavedWebhook(
            await self._check_url(settings.url or "", ask=ask), events, settings.style
        )
        async with self._changing:
            self._check_free(name)
            if len(self._settings.webhooks) >= _MAX_WEBHOOKS:
                raise InvalidSetting(f"{_MAX_WEBHOOKS} webhooks are saved already: remove one")

            await self._put(name, webhook)

    async def change_webhook(self, name: str, change: Change, *, ask: bool) -> None:
        """Change a saved webhook. Under another name, it sends what waited under the one before.

        :param ask: whether to ask Discord first if a new URL's webhook exists
        :raises SetupError: if that is not possible
        """
        self._check_saved(name)
        to = name if change.name is None else _check_name(change.name)
        if to != name:
            self._check_free(to)

        events = self._check_events(change.events)
        url = None if change.url is None else await self._check_url(change.url, ask=ask)
        async with self._changing:
            before = self._check_saved(name)
            after = replace(before, style=change.style or before.style)
            if change.events is not None:
                after = replace(after, events=events)

            if url is not None:
                after = replace(after, url=url)

            webhooks = {
                to if one == name else one: after if one == name else webhook
                for one, webhook in self._settings.webhooks.items()
            }
            if to != name:
                self._check_free(to)
                await self._rename(name, to, webhooks)
            else:
                await self._save_webhooks(webhooks)

            if url is not None:
                self._lanes.open(to, configure(self._config, after))
            elif to in self._lanes:
                self._lanes.restyle(to, configure(self._config, after))

            self._find_routes()

    async def _rename(self, name: str, to: str, webhooks: Mapping[str, SavedWebhook]) -> None:
        """Save the webhooks, one of which has another name, and give its lane that name."""
        if name not in self._lanes:
            await self._save_webhooks(webhooks)
            return

        configured = configure(self._config, webhooks[to])
        # Once it is saved, all of it happens; nothing in it waits for Discord.
        with anyio.CancelScope() as scope:
            try:
                async with self._lanes.hold(name, TURN_MAX_SECONDS):
                    scope.shield = True
                    await self._save_webhooks(webhooks)
                    names = [to if one == name else one for one in self._lanes.configured]
                    self._routes = find_routes(self._config, self._settings, names)
                    await self._lanes.rename(name, to, configured)
            except TimeoutError:
                reason = f"a message to '{name}' is under way: rename it when that has ended"
                raise SetupUnavailable(reason) from None
            except OutboxError as error:
                raise SetupUnavailable(
                    f"it is renamed, but what waited stays under '{name}', since the outbox cannot "
                    f"be written: {error}"
                ) from None
            finally:
                self._find_routes()

    async def remove_webhook(self, name: str) -> None:
        """Forget a saved webhook. What waits for it is kept until one has the same name again.

        :raises SetupError: if that is not possible; nothing has changed then
        """
        self._check_saved(name)
        async with self._changing:
            self._check_saved(name)
            await self._take(name)

    async def _put(self, name: str, webhook: SavedWebhook) -> None:
        """Save a webhook, and send to it."""
        await self._save_webhooks({**self._settings.webhooks, name: webhook})
        self._lanes.open(name, configure(self._config, webhook))
        self._find_routes()

    async def _take(self, name: str) -> None:
        """Forget a webhook, if there is one, and send nothing more to it."""
        webhooks = self._settings.webhooks.items()
        await self._save_webhooks({one: webhook for one, webhook in webhooks if one != name})
        if name in self._lanes:
            self._lanes.disconnect(name)

        self._find_routes()

    def _find_routes(self) -> None:
        self._routes = find_routes(self._config, self._settings, self._lanes.configured)

    def _check_not_configured(self, webhook: str) -> None:
        is_short = webhook == DEFAULT_WEBHOOK and self._config.webhook_url is not None
        key = "webhook_url" if is_short else f"webhooks.{webhook}"
        _check_not_configured(key, self.origin_of(webhook))

    def _check_saved(self, name: str) -> SavedWebhook:
        self._check_not_configured(name)
        saved = self._settings.webhooks.get(name)
        if saved is None:
            known = ", ".join(self._settings.webhooks) or "none"
            raise UnknownWebhook(f"no saved webhook is named '{name}', known: {known}")

        return saved

    def _check_free(self, name: str) -> None:
        self._check_not_configured(name)
        if name in self._settings.webhooks:
            raise NameTaken(f"a webhook is named '{name}' already: choose another name")

    def _check_events(self, events: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Return the types that are chosen, None for all."""
        if events is None:
            return None

        chosen = EventTypes(dict.fromkeys(name.strip() for name in events))
        if not chosen or len(chosen) > _MAX_TYPES:
            raise InvalidSetting(f"choose from 1 to {_MAX_TYPES} event types", "events")

        if problems := [*chosen.problems(self._events)]:
            raise InvalidSetting("; ".join(problems), "events")

        return None if _ALL_EVENTS in chosen else tuple(chosen)

    async def _check_url(self, url: str, *, ask: bool) -> str:
        """Return the URL of a webhook if it is valid and, if that is asked, Discord has it."""
        url = url.strip()
        try:
            address = validate_webhook_url(url, self._config.allow_hosts)
        except ValueError as error:
            raise InvalidSetting(str(error), "webhook_url") from None

        for secret in address.secrets():
            self._redactor.add(secret)

        if ask:
            await self._ask_for(address)

        return url

    async def set_invite(self, url: str) -> None:
        """Show another invite from now on, also after a restart.

        :param url: its URL; an empty one to show none
        :raises SetupError: if that is not possible; nothing has changed then
        """
        _check_not_configured("invite_url", self.invite_origin)
        invite: str | None = None
        if url.strip():
            try:
                invite = validate_invite_url(url)
            except ValueError as error:
                raise InvalidSetting(str(error), "invite_url") from None

        async with self._changing:
            await self._save(INVITE_URL, invite)
            self._saved_invite_url = invite

    async def _ask_for(self, webhook: WebhookURL) -> None:
        """Ask Discord whether a webhook exists."""
        rejection = self._rejections.find(webhook)
        if rejection is not None:
            raise InvalidSetting(str(rejection), "webhook_url")

        found = await self._directory.fetch(webhook)
        if found.kind is OutcomeKind.DELIVERED:
            return

        if found.is_rejection:
            self._rejections.add(webhook, found.reason)
            raise InvalidSetting(found.reason, "webhook_url")

        raise cannot_ask(found.reason)

    async def _save(self, name: str, value: str | None) -> None:
        try:
            await self._settings.save(name, value)
        except OSError as error:
            raise _cannot_save(error) from None

    async def _save_webhooks(self, webhooks: Mapping[str, SavedWebhook]) -> None:
        try:
            await self._settings.save_webhooks(webhooks)
        except OSError as error:
            raise _cannot_save(error) from None

    def _read_invite_url(self) -> str | None:
        url = self._settings.invite_url
        try:
            return None if url is None else validate_invite_url(url)
        except ValueError as error:
            logger.warning("the saved invite is not used: %s", error)
            return None


def _check_not_configured(key: str, origin: Origin) -> None:
    if origin.source == "yaml":
        where = origin.place or "the configuration"
        raise SetInConfiguration(f"{where} sets {key}: change it there")


def _check_name(name: str) -> str:
    """Return the name of a webhook without spaces around it."""
    name = name.strip()
    if not 1 <= len(name) <= _NAME_MAX_CHARACTERS or not name.isprintable():
        raise InvalidSetting(
            f"the name must have from 1 to {_NAME_MAX_CHARACTERS} printable characters", "name"
        )

    return name


def _cannot_save(error: OSError) -> SetupUnavailable:
    return SetupUnavailable(f"it cannot be saved: {error.strerror}")
