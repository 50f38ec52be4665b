"""The webhooks that the configuration and the setup page give, and whether Discord has them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import anyio
from pydantic import SecretStr

from lanrage_events import Health
from lanrage_events.abc import Bus
from lanrage_events.config import EventTypes

from .._client import OutcomeKind, WebhookClient
from .._config import DiscordConfig, RouteConfig, WebhookConfig
from .settings import SavedWebhook, Settings

logger = logging.getLogger("lanrage_events.discord")

# Discord takes 50 requests a second from an address, and each takes some 200 ms.
# https://docs.discord.com/developers/topics/rate-limits#global-rate-limit
_REQUESTS_UNDER_WAY = 5


def state_file(bus: Bus, plugin: object, suffix: str) -> Path | None:
    """Return a file that a Discord plugin keeps in the state folder, None without a folder.

    :param plugin: the plugin or its name
    :param suffix: such as ``settings.json``
    """
    return bus.state_folder and bus.state_folder / f"{bus.plugins.name(plugin)}.{suffix}"


def find_webhooks(config: DiscordConfig, settings: Settings) -> dict[str, WebhookConfig]:
    """Return the webhooks by name; the configuration wins over what is saved."""
    webhooks = config.all_webhooks()
    for name, saved in settings.webhooks.items():
        if name in webhooks:
            continue

        webhook = configure(config, saved)
        try:
            config.address(webhook)
        except ValueError as error:
            logger.warning("the saved webhook '%s' is not used: %s", name, error)
        else:
            webhooks[name] = webhook

    return webhooks


def find_webhook_ids(config: DiscordConfig, settings: Settings) -> dict[str, str]:
    """Return Discord's ids of the webhooks by name, of those whose URL is valid."""
    saved = {name: configure(config, one) for name, one in settings.webhooks.items()}
    ids: dict[str, str] = {}
    for name, webhook in {**saved, **config.all_webhooks()}.items():
        with suppress(ValueError):
            ids[name] = config.address(webhook).id

    return ids


def configure(config: DiscordConfig, saved: SavedWebhook) -> WebhookConfig:
    """Return the configuration of a saved webhook, whose URL need not be valid."""
    batch = saved.style and config.batch.model_copy(update={"style": saved.style})
    return WebhookConfig.model_construct(url=SecretStr(saved.url), batch=batch or None)


def find_routes(
    config: DiscordConfig, settings: Settings, webhooks: Collection[str]
) -> tuple[RouteConfig, ...]:
    """Return the routes of the configuration; without any, what was chosen for the saved webhooks.

    Webhooks for which nothing was chosen post every event.

    :param webhooks: the names of those that there are
    """
    if config.routes:
        return config.routes

    configured = config.all_webhooks()
    chosen = {
        name: saved.events
        for name, saved in settings.webhooks.items()
        if saved.events is not None and name in webhooks and name not in configured
    }
    if not chosen:
        return ()

    routes = [
        RouteConfig(events=EventTypes(events), webhook=(name,)) for name, events in chosen.items()
    ]
    if others := tuple(name for name in webhooks if name not in chosen):
        routes.insert(0, RouteConfig(webhook=others))

    return tuple(routes)


async def ask_for_webhooks(
    config: DiscordConfig, webhooks: Mapping[str, WebhookConfig], client: WebhookClient
) -> dict[str, Health]:
    """Ask Discord for each webhook, without posting, and return what it says by name.

    One that Discord does not have is ``failed``, one that it cannot be asked about ``degraded``.
    """
    found: dict[str, Health] = {}
    limiter = anyio.CapacityLimiter(_REQUESTS_UNDER_WAY)

    async def ask(name: str, webhook: WebhookConfig) -> None:
        async with limiter:
            outcome = await client.fetch(config.address(webhook))

        if outcome.kind is OutcomeKind.DELIVERED:
            found[name] = Health("ok", f"Discord has it, as '{outcome.webhook_name}'")
        elif outcome.is_rejection:
            found[name] = Health("failed", outcome.reason)
        else:
            found[name] = Health("degraded", f"Discord cannot be asked: {outcome.reason}")

    async with anyio.create_task_group() as tasks:
        for name, webhook in webhooks.items():
            tasks.start_soon(ask, name, webhook)

    return {name: found[name] for name in webhooks}
