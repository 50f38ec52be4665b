"""Apprise for test_clients.py."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import apprise
from apprise.plugins.discord import NotifyDiscord
from lines import Rejected, serve


class Client:
    """Apprise, which only posts, and says no more than whether that worked."""

    def send(self, *, wait: bool, **request: Any) -> None:
        """Post a message."""
        NotifyDiscord.notify_url = f"{request['base']}/api/webhooks"
        NotifyDiscord.request_rate_per_sec = 0
        words = {"thread": request["thread_id"]} if "thread_id" in request else {}
        notifier = NotifyDiscord(webhook_id=request["id"], webhook_token=request["token"], **words)
        with tempfile.TemporaryDirectory() as folder:
            attached = apprise.AppriseAttachment()
            for file in request.get("files", ()):
                path = Path(folder, file["name"])
                path.write_text(file["text"], encoding="utf-8")
                attached.add(str(path))

            if not notifier.notify(body=request["content"], attach=attached or None):
                raise Rejected(None, None)


if __name__ == "__main__":
    serve(Client())
