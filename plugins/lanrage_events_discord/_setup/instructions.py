"""How to create a webhook and an invite in Discord, step by step."""

from __future__ import annotations

WEBHOOK_HEADING = "To create a webhook in Discord:"
WEBHOOK_STEPS = (
    "Open Discord, go to your server and choose Server Settings from the menu at its name.",
    "Choose Integrations, then Webhooks. (Without the permission Manage Webhooks it is not there.)",
    "Press New Webhook.",
    "Name it LANrage and choose the channel to post in.",
    "Press Copy Webhook URL and save the changes.",
    "Paste the URL here or into the configuration. Keep it secret: with it, anyone can post there.",
)

INVITE_HEADING = "To create an invite to a voice channel in Discord:"
INVITE_STEPS = (
    "Open Discord and right-click the voice channel in which your party talks.",
    "Choose Invite People, then Edit invite link.",
    "Set Expire after to Never and Max uses to No limit, and generate the link.",
    "Copy the link, which looks like https://discord.gg/abc123.",
    "Paste it here or into the configuration.",
)


def webhook_instructions() -> str:
    """Return numbered lines of plain text on how to create a webhook in Discord."""
    return _numbered(WEBHOOK_HEADING, WEBHOOK_STEPS)


def invite_instructions() -> str:
    """Return numbered lines of plain text on how to create a lasting voice invite."""
    return _numbered(INVITE_HEADING, INVITE_STEPS)


def _numbered(heading: str, steps: tuple[str, ...]) -> str:
    return "\n".join([heading, *(f"{number}. {step}" for number, step in enumerate(steps, 1))])
