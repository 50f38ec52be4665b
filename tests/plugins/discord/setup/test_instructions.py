from __future__ import annotations

import pytest

from lanrage_events_discord._client import validate_invite_url
from lanrage_events_discord._setup import invite_instructions, webhook_instructions


@pytest.mark.parametrize("text", [webhook_instructions(), invite_instructions()])
def test_instructions_are_numbered_steps(text: str) -> None:
    heading, *steps = text.split("\n")
    assert heading.endswith("in Discord:")
    assert [step.partition(". ")[0] for step in steps] == [str(n + 1) for n in range(len(steps))]
    assert all(step.endswith((".", ")")) for step in steps)


def test_webhook_instructions_name_what_is_clicked_in_order() -> None:
    text = webhook_instructions()
    labels = ["Server Settings", "Integrations", "Webhooks", "New Webhook", "LANrage", "channel"]
    places = [text.index(label) for label in (*labels, "Copy Webhook URL")]
    assert places == sorted(places)
    assert "Manage Webhooks" in text


def test_invite_instructions_name_what_is_clicked_in_order() -> None:
    text = invite_instructions()
    labels = ["voice channel", "Invite People", "Edit invite link", "Never", "No limit"]
    places = [text.index(label) for label in (*labels, "Copy the link")]
    assert places == sorted(places)


def test_invite_that_the_instructions_show_is_a_good_one() -> None:
    (shown,) = (word for word in invite_instructions().split() if word.startswith("https://"))
    assert validate_invite_url(shown.rstrip(".")) == "https://discord.gg/abc123"
