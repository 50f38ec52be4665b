"""The webhooks that the configuration and the setup page give, and whether Discord has them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import anyio
from pydantic import SecretStr

from lanrage_events import Health
from lanrage_events.abc import Bus

from .._client import OutcomeKind, WebhookClient
from .._config import DEFAULT_WEBHOOK, DiscordConfig, WebhookConfig
from .settings import Settings

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
    url = settings.webhook_url
    if url is not None and DEFAULT_WEBHOOK not in webhooks:
        saved = WebhookConfig.model_construct(url=SecretStr(url))
        try:
            config.address(saved)
        except ValueError as error:
            logger.warning("the saved webhook is not used: %s", error)
        else:
            webhooks[DEFAULT_WEBHOOK] = saved

    return webhooks


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
        elif outcome.kind in (OutcomeKind.LANE_DEAD, OutcomeKind.DEAD):
            found[name] = Health("failed", outcome.reason)
        else:
            found[name] = Health("degraded", f"Discord cannot be asked: {outcome.reason}")

    async with anyio.create_task_group() as tasks:
        for name, webhook in webhooks.items():
            tasks.start_soon(ask, name, webhook)

    return {name: found[name] for name in webhooks}
