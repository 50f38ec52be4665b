"""What the setup page changes: saved in a file of its own, beside the configuration."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from lanrage_events.events import lone_surrogate
from lanrage_events.state import StateFile

from .._config import DEFAULT_WEBHOOK
from .._rendering import Style

logger = logging.getLogger("lanrage_events.discord")

WEBHOOK_URL = "webhook_url"
"""that of the default webhook, which is all that older versions know"""
INVITE_URL = "invite_url"
_WEBHOOKS = "webhooks"
"""the others by name, and what else is saved about the default one"""
_STYLES = get_args(Style)


@dataclass(frozen=True, slots=True)
class SavedWebhook:
    """A webhook that was saved on the setup page."""

    url: str = field(repr=False)
    """a secret"""
    events: tuple[str, ...] | None = None
    """the event types, base types and patterns that it posts; None for all"""
    style: Style | None = None
    """how it shows several events at a time; None for what the configuration says"""


class Settings:
    """Webhooks and an invite that are kept over restarts.

    Only the owner may read the file, since it holds the webhooks' URLs in clear.

    :param path: the file; None to remember only as long as this object lives
    :param inline: whether to write in the event loop instead of a worker thread, for tests in
        virtual time
    :param read_only: whether a damaged file stays where it is, since the daemon will deal with it
    """

    def __init__(self, path: Path | None, *, inline: bool = False, read_only: bool = False) -> None:
        self._file = StateFile(path, indent=1, inline=inline)
        self._data = _read(self._file, read_only=read_only)
        self._webhooks = _parse(self._data)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in {self._file.path or 'memory'}>"

    @property
    def webhook_url(self) -> str | None:
        """The default webhook's URL, a secret; None if none is saved."""
        return self._data.get(WEBHOOK_URL) or None

    @property
    def webhooks(self) -> Mapping[str, SavedWebhook]:
        """The webhooks by name, the default one first."""
        return self._webhooks

    @property
    def invite_url(self) -> str | None:
        """The invite's URL; None if none is saved."""
        return self._data.get(INVITE_URL) or None

    async def save(self, name: str, value: str | None) -> None:
        """Keep a value, safe on the disk once this returns.

        :param name: :data:`WEBHOOK_URL` or :data:`INVITE_URL`
        :param value: the value; None to remove it
        :raises OSError: if the file cannot be written; nothing has changed then
        """
        data = {key: one for key, one in self._data.items() if key != name}
        if value is not None:
            data[name] = value

        await self._file.save(data)
        self._data, self._webhooks = data, _parse(data)

    async def save_webhooks(self, webhooks: Mapping[str, SavedWebhook]) -> None:
        """Keep these webhooks and no others, safe on the disk once this returns.

        :param webhooks: by name
        :raises OSError: if the file cannot be written; nothing has changed then
        """
        data = {key: one for key, one in self._data.items() if key not in (WEBHOOK_URL, _WEBHOOKS)}
        named: dict[str, dict[str, Any]] = {}
        for name, webhook in webhooks.items():
            parts: dict[str, Any] = {}
            if name == DEFAULT_WEBHOOK:
                data[WEBHOOK_URL] = webhook.url
            else:
                parts["url"] = webhook.url

            if webhook.events is not None:
                parts["events"] = list(webhook.events)

            if webhook.style is not None:
                parts["style"] = webhook.style

            if parts:
                named[name] = parts

        if named:
            data[_WEBHOOKS] = named

        await self._file.save(data)
        self._data, self._webhooks = data, _parse(data)


def _parse(data: Mapping[str, Any]) -> Mapping[str, SavedWebhook]:
    saved: Mapping[str, Mapping[str, Any]] = data.get(_WEBHOOKS, {})
    found = {name: _parse_webhook(parts.get("url"), parts) for name, parts in saved.items()}
    default = _parse_webhook(data.get(WEBHOOK_URL) or None, saved.get(DEFAULT_WEBHOOK, {}))
    ordered = {DEFAULT_WEBHOOK: default, **found}
    ordered[DEFAULT_WEBHOOK] = default
    return {name: webhook for name, webhook in ordered.items() if webhook is not None}


def _parse_webhook(url: str | None, parts: Mapping[str, Any]) -> SavedWebhook | None:
    if url is None:
        return None

    events = parts.get("events")
    return SavedWebhook(url, None if events is None else tuple(events), parts.get("style"))


def _is_valid(data: Any) -> bool:
    if not isinstance(data, dict):
        return False

    webhooks = data.get(_WEBHOOKS, {})
    return (
        all(isinstance(data.get(name, ""), str) for name in (WEBHOOK_URL, INVITE_URL))
        and isinstance(webhooks, dict)
        and all(name and _is_valid_webhook(name, parts) for name, parts in webhooks.items())
    )


def _is_valid_webhook(name: str, parts: Any) -> bool:
    if not isinstance(parts, dict):
        return False

    events = parts.get("events", [])
    return (
        (name == DEFAULT_WEBHOOK or (isinstance(parts.get("url"), str) and bool(parts["url"])))
        and isinstance(events, list)
        and all(isinstance(event, str) for event in events)
        and parts.get("style", _STYLES[0]) in _STYLES
    )


def _read(file: StateFile, *, read_only: bool) -> dict[str, Any]:
    try:
        data = file.read({})
        if not _is_valid(data):
            raise ValueError("it is damaged")

        if (found := lone_surrogate(data)) is not None:
            raise ValueError("it is damaged: {}: {}".format(*found))
    except (OSError, ValueError) as error:
        try:
            where = "it is kept" if read_only else f"it is {file.move_aside()} now"
        except OSError:
            where = "it cannot be moved aside either"

        logger.warning(
            "the saved settings %s cannot be read (%s); %s. Set webhooks and invite again",
            file.path,
            getattr(error, "strerror", error),
            where,
        )
        return {}

    return dict(data)
