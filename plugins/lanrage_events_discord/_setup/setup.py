"""The default webhook and the invite: where they come from, and how they change."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import anyio
from pydantic import SecretStr

from lanrage_events import Redactor

from .._client import OutcomeKind, WebhookURL, validate_invite_url, validate_webhook_url
from .._config import DEFAULT_WEBHOOK, DiscordConfig, WebhookConfig
from .._delivery import Lanes
from .directory import WebhookDirectory, cannot_ask
from .errors import InvalidSetting, SetInConfiguration, SetupUnavailable
from .rejections import RejectionCache
from .settings import INVITE_URL, WEBHOOK_URL, Settings
from .webhooks import find_webhooks

logger = logging.getLogger("lanrage_events.discord")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from."""

    source: Literal["yaml", "saved"] | None = None
    """the configuration, where it must be changed then, or the saved settings"""
    place: str | None = None
    """where it stands in the configuration, as ``file:line:column``"""


class Setup:
    """What can be set up while the plugin runs: the default webhook and the invite.

    What the configuration gives wins over what is saved.

    :param place: returns where a key of the plugin's configuration stands
    :param lanes: get the webhooks from :meth:`open_lanes`
    :param directory: asks Discord
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
    ) -> None:
        self._config = config
        self._settings = settings
        self._place = place
        self._lanes = lanes
        self._directory = directory
        self._redactor = redactor
        self._rejections = rejections
        self._changing = anyio.Lock()
        if settings.webhook_url is not None:
            redactor.add(settings.webhook_url)

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

        return Origin("yaml", self._place(f"webhooks.{webhook}") or self._place("webhooks"))

    @property
    def invite_origin(self) -> Origin:
        """Where the invite comes from."""
        if self._config.invite_url is not None:
            return Origin("yaml", self._place("invite_url"))

        return Origin(None if self.invite_url is None else "saved")

    def open_lanes(self) -> None:
        """Make the lanes of the webhooks that the configuration gives, and of the saved one."""
        for name, webhook in find_webhooks(self._config, self._settings).items():
            self._lanes.open(name, webhook)

    async def set_webhook(self, url: str, *, ask: bool) -> None:
        """Send everything to a webhook from now on, also after a restart.

        :param url: its URL; an empty one to stop sending
        :param ask: whether to ask Discord first if the webhook exists
        :raises SetupError: if that is not possible; nothing has changed then
        """
        url = url.strip()
        _check_not_configured("webhook_url", self.webhook_origin)
        if not url:
            await self._clear_webhook()
            return

        try:
            address = self._check_webhook_url(url)
        except ValueError as error:
            raise InvalidSetting(str(error)) from None

        for secret in address.secrets():
            self._redactor.add(secret)

        if ask:
            await self._ask_for(address)

        async with self._changing:
            await self._save(WEBHOOK_URL, url)
            self._lanes.open(DEFAULT_WEBHOOK, WebhookConfig(url=SecretStr(url)))

    async def _clear_webhook(self) -> None:
        async with self._changing:
            await self._save(WEBHOOK_URL, None)
            if DEFAULT_WEBHOOK in self._lanes:
                self._lanes.disconnect(DEFAULT_WEBHOOK)

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
                raise InvalidSetting(str(error)) from None

        async with self._changing:
            await self._save(INVITE_URL, invite)
            self._saved_invite_url = invite

    async def _ask_for(self, webhook: WebhookURL) -> None:
        """Ask Discord whether a webhook exists."""
        rejection = self._rejections.find(webhook)
        if rejection is not None:
            raise InvalidSetting(str(rejection))

        found = await self._directory.fetch(webhook)
        if found.kind is OutcomeKind.DELIVERED:
            return

        if found.kind in (OutcomeKind.LANE_DEAD, OutcomeKind.DEAD):
            self._rejections.add(webhook, found.reason)
            raise InvalidSetting(found.reason)

        raise cannot_ask(found.reason)

    async def _save(self, name: str, value: str | None) -> None:
        try:
            await self._settings.save(name, value)
        except OSError as error:
            raise SetupUnavailable(f"it cannot be saved: {error.strerror}") from None

    def _check_webhook_url(self, url: str) -> WebhookURL:
        return validate_webhook_url(url, self._config.allow_hosts)

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
