"""The stand-in for Discord, as tests use it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from ._engine import Engine
from ._webhooks import Channel, StandInWebhook

if TYPE_CHECKING:
    import httpx


class StandInDiscord(Engine):
    """Behaves like Discord's webhook API.

    Use :meth:`transport` for httpx in the same event loop, in virtual time too, or
    :meth:`serve` for any client. One stand-in belongs to one event loop.

    :param limit: requests that one webhook may send within ``per`` seconds; None: no limit
    :param per: seconds that the window of ``limit`` lasts; it begins with its first request
    :param channel_limit: messages that a channel takes within ``channel_per`` seconds from all
        its webhooks, which no header shows; None: no limit
    :param channel_per: seconds that the window of ``channel_limit`` lasts
    :param channel_window: ``fixed`` for windows that begin with a message and follow each other,
        ``sliding`` for any ``channel_per`` seconds. Which one Discord uses is not known
    :param global_limit: requests that an address may send within a second; None: no limit
    :param invalid_limit: answers of 401, 403 and 429 (not with scope ``shared``) within 600
        seconds after which Cloudflare bans the address
    :param ban_seconds: how long that ban lasts
    :param old_edit_limit: edits of messages older than an hour that a channel takes within
        ``old_edit_per`` seconds, then 429 with code 30046; None: no limit. Discord names only the
        code (discord-api-docs#4413); the numbers are what others saw (discord-userdoccers#551)
    :param old_edit_per: seconds that the window of ``old_edit_limit`` lasts
    :param latency: seconds from request to answer; Discord acts after half of them
    """

    def __repr__(self) -> str:
        return f"<StandInDiscord at {self.base_url}, {len(self.journal)} requests>"

    @property
    def webhooks(self) -> tuple[StandInWebhook, ...]:
        """The webhooks that were created, deleted ones included."""
        return tuple(self._api.webhooks.values())

    def create_webhook(
        self,
        channel: str | None = None,
        *,
        forum: bool = False,
        require_tag: bool = False,
        name: str = "LANrage",
    ) -> StandInWebhook:
        """Make a webhook.

        :param channel: name of the channel that it posts to; webhooks with the same one share
            its limit and its threads; the default is a channel of its own
        :param forum: whether the channel is a forum, where each message goes into a thread
        :param require_tag: whether a new thread of the forum must have a tag
        :param name: the name that messages without a ``username`` carry
        :raises ValueError: if the channel exists and is of the other kind
        """
        channel = f"channel-{len(self._api.channels) + 1}" if channel is None else channel
        place = self._api.channels.get(channel)
        if place is None:
            place = Channel(next(self._api.snowflakes), channel, forum, require_tag)
            self._api.channels[channel] = place
        elif (place.forum, place.require_tag) != (forum, require_tag):
            raise ValueError(f"channel '{channel}' exists with another forum or require_tag")

        webhook = StandInWebhook(place, name, self._api.snowflakes, lambda: self.base_url)
        self._api.webhooks[webhook.id] = webhook
        return webhook

    def transport(self) -> httpx.AsyncBaseTransport:
        """Return a transport for :class:`httpx.AsyncClient` that reaches the stand-in."""
        from ._transport import StandInTransport

        return StandInTransport(self)

    def serve(self, *, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """Serve HTTP/1.1 within an ``async with`` block, which gets the base URL.

        From then on the webhooks' URLs lead to the server.

        :param host: address to listen on
        :param port: port to listen on; 0 takes a free one
        """
        from ._server import serve

        return serve(self, host, port)
