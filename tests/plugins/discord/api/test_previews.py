"""The preview of digests."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lanrage_events._rules import HidingKey
from lanrage_events.config._rules import ConfiguredRules, RuleConfig
from lanrage_events.http import RouteError
from lanrage_events_discord.testing import StandInDiscord

Running = Callable[..., AbstractAsyncContextManager[Any]]
NAMES = ("Ann", "Ben", "*Cy*")
HOSTILE = (
    "@everyone",
    "\u202eevil",
    "](https://example.org)",
    "<@1>",
    "a\nb\n# c",
    "\u0000",
    "`" * 9,
)


def joined(name: str) -> dict[str, Any]:
    return {"type": "peer_joined", "fields": {"peer_name": name, "party_name": "LAN"}}


def notice(text: str) -> dict[str, Any]:
    return {"type": "notification", "fields": {"title": "Note", "message": text}}


def texts(message: dict[str, Any]) -> str:
    return "".join(span["text"] for embed in message["embeds"] for span in embed["description"])


async def test_a_preview_shows_what_the_rules_leave(running: Running) -> None:
    rules = [
        RuleConfig.model_validate({"hide": "Ann"}),
        RuleConfig.model_validate({"where": {"peer_name": "Ben"}, "drop": True}),
    ]
    async with running(StandInDiscord()) as s:
        s.bus.rules = ConfiguredRules(tuple(rules)).make(HidingKey())
        for name, shown in (("Ann", "a player"), ("Ben", "Ben"), ("Dan", "Dan")):
            answer = await s.post("/preview", joined(name))
            assert shown in json.dumps(answer)
            assert (name in json.dumps(answer)) is (name == shown)

        answer = await s.post("/preview/digest", {"events": [joined("Ann"), joined("Dan")]})
        assert "Ann" not in json.dumps(answer)


async def test_the_digest_is_the_one_that_is_posted(running: Running) -> None:
    discord = StandInDiscord(latency=0.04)
    webhook = discord.create_webhook()
    async with running(discord, webhook_url=webhook.url, batch={"immediate": False}) as s:
        events = [joined(name) for name in NAMES]
        answer = await s.post("/preview/digest", {"events": events})
        assert len(discord.journal) == 0
        await s.publish(*NAMES)
        await s.settle()
        [message], [posted] = answer["messages"], webhook.messages
        assert message["events"] == 3
        assert message["body"]["allowed_mentions"] == {"parse": []}
        [embed] = message["body"]["embeds"]
        for key in ("title", "description", "color"):
            assert embed[key] == posted["embeds"][0][key]

        assert "*Cy*" in texts(message)
        assert {meter["label"] for meter in message["meters"]} >= {"description", "message"}
        assert (answer["faults"], answer["note"]) == ([], "")


async def test_one_event_is_its_own_embed(running: Running) -> None:
    async with running() as s:
        answer = await s.post("/preview/digest", {"events": [joined("Ann")]})
        alone = await s.post("/preview", joined("Ann"))
        [message] = answer["messages"]
        assert message["body"]["embeds"][0]["title"] == alone["body"]["embeds"][0]["title"]


async def test_a_digest_says_which_events_would_come_to_nothing(running: Running) -> None:
    left = {"type": "peer_left", "fields": {"peer_name": "Ann", "party_name": "LAN"}}
    came = {"type": "peer_joined", "fields": {"peer_name": "Ann", "party_name": "LAN"}}
    for batch, expected in (({}, "2 of these events"), ({"settle": {"leave": "0s"}}, "")):
        async with running(batch=batch) as s:
            answer = await s.post("/preview/digest", {"events": [left, came, joined("Bob")]})
            assert answer["note"].startswith(expected)
            assert bool(answer["note"]) is bool(expected)
            assert len(answer["messages"]) == 1


async def test_after_an_outage_the_digest_has_times(running: Running) -> None:
    async with running() as s:
        events = [joined(name) for name in NAMES]
        for catch_up in (False, True):
            answer = await s.post("/preview/digest", {"events": events, "catch_up": catch_up})
            [message] = answer["messages"]
            assert ("<t:" in message["body"]["embeds"][0]["description"]) is catch_up


async def test_what_does_not_fit_into_a_message_is_in_the_next(
    running: Running, broken_limits: Callable[[list[Any]], list[str]]
) -> None:
    async with running() as s:
        events = [joined(f"{number} " + "\U0001f600" * 200) for number in range(50)]
        answer = await s.post("/preview/digest", {"events": events})
        assert len(answer["messages"]) > 1
        assert sum(message["events"] for message in answer["messages"]) == 50
        for message in answer["messages"]:
            assert broken_limits(message["body"]["embeds"]) == []
            assert all(meter["used"] <= meter["limit"] for meter in message["meters"])


@pytest.mark.slow
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.sampled_from(HOSTILE) | st.text(max_size=40), min_size=2, max_size=20))
def test_hostile_text_stays_text(
    running: Running, broken_limits: Callable[[list[Any]], list[str]], texts: list[str]
) -> None:
    events = [make(text) for text in texts for make in (joined, notice)]

    async def preview() -> Any:
        async with running() as s:
            return await s.post("/preview/digest", {"events": events})

    messages = anyio.run(preview)["messages"]
    assert sum(one["events"] for one in messages) == len(events)
    for message in messages:
        assert broken_limits(message["body"]["embeds"]) == []
        assert message["body"]["allowed_mentions"] == {"parse": []}


async def test_each_error_names_its_event(running: Running) -> None:
    async with running() as s:
        events = [joined("Ann"), {"type": "peer_joined", "fields": {"peer_name": 5}}]
        events += [{"type": "peer_joind"}, notice("x")]
        events[3]["fields"] = {str(number): 1 for number in range(101)}
        with pytest.raises(RouteError) as caught:
            await s.post("/preview/digest", {"events": events})

        assert caught.value.status == 422
        fields = [error.field for error in caught.value.errors]
        assert fields == [
            "events.1.peer_name",
            "events.1.party_name",
            "events.2.type",
            "events.3.fields",
        ]


async def test_the_number_of_errors_is_bounded(running: Running) -> None:
    async with running() as s:
        events = [{"type": "peer_joined", "fields": {}}] * 50
        with pytest.raises(RouteError) as caught:
            await s.post("/preview/digest", {"events": events})

        assert len(caught.value.errors) == 20


@pytest.mark.parametrize("count", [0, 51])
async def test_the_number_of_events_is_bounded(running: Running, count: int) -> None:
    async with running() as s:
        with pytest.raises(ValidationError):
            await s.post("/preview/digest", {"events": [joined("Ann")] * count})


async def test_templates_are_read_again(running: Running, tmp_path: Path) -> None:
    folder = tmp_path / "discord"
    folder.mkdir()
    events = [joined(name) for name in NAMES]
    async with running(templates=[tmp_path]) as s:
        (folder / "digest.yaml").write_text('title: "All {{ count }}"', encoding="utf-8")
        answer = await s.post("/preview/digest", {"events": events})
        assert answer["messages"][0]["body"]["embeds"][0]["title"] == "All 3"
        assert answer["note"].startswith("posts still use the templates as they were read before")
        (folder / "digest.yaml").write_text('title: "{{ nobody }}"', encoding="utf-8")
        answer = await s.post("/preview/digest", {"events": events})
        [fault] = answer["faults"]
        assert "digest.yaml" in fault
        alone = await s.post("/preview/digest", {"events": events[:1]})
        assert (alone["faults"], alone["note"]) == ([], "")


async def test_what_a_template_adds_to_the_message_is_shown(
    running: Running, tmp_path: Path
) -> None:
    async with running(templates=[tmp_path]) as s:
        path = tmp_path / "discord" / "peer_joined.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "content: 'See **{{ peer_name }}**'\nusername: LAN bot\n"
            "buttons: [{label: Join, url: https://example.org}]\n",
            encoding="utf-8",
        )
        alone = await s.post("/preview", joined("A*n"))
        digest = await s.post("/preview/digest", {"events": [joined("Ann"), joined("Bob")]})

    assert [(span["text"], span["styles"]) for span in alone["content"]] == [
        ("See ", []),
        ("A*n", ["bold"]),
    ]
    assert alone["buttons"] == [{"label": "Join", "url": "https://example.org"}]
    assert alone["body"]["username"] == "LAN bot"
    assert {meter["label"] for meter in alone["meters"]} >= {"content", "username", "buttons"}
    [message] = digest["messages"]
    assert (message["content"], message["buttons"]) == ([], [])
    assert message["body"]["username"] == "LAN bot"
