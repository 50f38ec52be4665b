"""The process that does the same with another library, one message an event.

Each is used as its documentation says. Their addresses of Discord are constants; here they are
replaced by the stand-in's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TypeAlias

import httpx

from ._process import Line, Meter, hear, say

Send: TypeAlias = Callable[[str, str], None]
"""Posts a message with a title and a text, and raises an exception if that failed."""

COLOR = 0x57F287


def discord_py(url: str) -> Send:
    """Send with discord.py's ``SyncWebhook``."""
    discord = import_module("discord")
    base, webhook_id, token = split(url)
    import_module("discord.http").Route.BASE = f"{base}/v10"
    webhook = discord.SyncWebhook.partial(int(webhook_id), token)

    def send(title: str, text: str) -> None:
        webhook.send(embed=discord.Embed(title=title, description=text, color=COLOR))

    return send


def discord_webhook(url: str) -> Send:
    """Send with discord-webhook, which takes any URL, told to mind the rate limit."""
    library = import_module("discord_webhook")

    def send(title: str, text: str) -> None:
        webhook = library.DiscordWebhook(url=url, rate_limit_retry=True)
        webhook.add_embed(library.DiscordEmbed(title=title, description=text, color=COLOR))
        webhook.execute().raise_for_status()

    return send


def apprise(url: str) -> Send:
    """Send with Apprise."""
    base, webhook_id, token = split(url)
    plugin = import_module("apprise.plugins.discord").NotifyDiscord
    plugin.notify_url = f"{base}/webhooks"
    library = import_module("apprise")
    notifier = library.Apprise()
    notifier.add(f"discord://{webhook_id}/{token}/?format=markdown")

    def send(title: str, text: str) -> None:
        if not notifier.notify(title=title, body=text):
            raise ConnectionError("not sent")

    return send


def httpx_loop(url: str) -> Send:
    """Send with httpx alone, on one connection that is kept."""
    client = httpx.Client(trust_env=False)

    def send(title: str, text: str) -> None:
        embed = {"title": title, "description": text, "color": COLOR}
        client.post(url, json={"embeds": [embed]}).raise_for_status()

    return send


PEERS: dict[str, tuple[str, Callable[[str], Send]]] = {
    "discord.py": ("discord.py", discord_py),
    "discord-webhook": ("discord-webhook", discord_webhook),
    "Apprise": ("apprise", apprise),
    "httpx loop": ("httpx", httpx_loop),
}
"""Name of each: the distribution that it needs, and what makes it."""


def split(url: str) -> tuple[str, str, str]:
    """Return the address before ``/webhooks``, the webhook's id and its token."""
    base, _, rest = url.partition("/webhooks/")
    webhook_id, _, token = rest.partition("/")
    return base, webhook_id, token


def installed(peer: str) -> str | None:
    """Return the version that is installed of a peer, None if it is not."""
    try:
        return version(PEERS[peer][0])
    except PackageNotFoundError:
        return None


def main(job: Line) -> None:
    """Do one job: each event is sent when it happens, or as soon as the one before it is."""
    send = PEERS[job["sender"]][1](job["urls"][0])
    meter = Meter()
    say(ready=True)
    if hear()["do"] != "begin":
        return

    began = time.monotonic()
    times: dict[str, float] = {}
    for number, offset in enumerate(job["offsets"]):
        if time.monotonic() - began > job["seconds"]:
            break

        time.sleep(max(0.0, began + offset - time.monotonic()))
        name = f"player{number:05}"
        times[name] = began + offset
        try:
            send(f"👋 {name} joined", "Friday LAN has one more player now.")
        except Exception:
            # As a program would: it goes on with the next event.
            logging.getLogger(__name__).debug("not sent", exc_info=True)

    say(began=began, times=times, longest_publish=0.0)
    hear()
    say(**meter.read())


if __name__ == "__main__":
    main(hear())
