"""The open cards in the API: what Discord has of each, posting one again and removing it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest

from lanrage_events import PartyEnded, PeerJoined
from lanrage_events.http import RouteError
from lanrage_events_discord.testing import StandInDiscord, StandInWebhook
from lanrage_events_parties import PartiesConfig, PartiesPlugin

pytestmark = pytest.mark.slow

Running = Callable[..., AbstractAsyncContextManager[Any]]
LAN = "Friday LAN"
BEGAN = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)


def scene(
    *, forum: bool = False, **more: Any
) -> tuple[StandInDiscord, StandInWebhook, dict[str, Any]]:
    discord = StandInDiscord(latency=0.04)
    webhook = discord.create_webhook(forum=forum)
    config = {
        "webhook_url": webhook.url,
        "cards": True,
        "plugins": {"parties": PartiesPlugin(PartiesConfig(end_after=60))},
    }
    return discord, webhook, config | more


async def publish(s: Any, *names: str, party: str | None = LAN, **fields: Any) -> None:
    for number, name in enumerate(names):
        time = BEGAN + timedelta(seconds=number)
        event = PeerJoined(peer_name=name, party_name=party or "", time=time, **fields)
        await s.bus.publish_and_wait(event)

    await anyio.sleep(5)


async def rejection(call: Any) -> tuple[int, str]:
    with pytest.raises(RouteError) as caught:
        await call

    return caught.value.status, str(caught.value)


async def test_a_card_is_listed_with_its_message(running: Running) -> None:
    discord, webhook, config = scene()
    async with running(discord, **config) as s:
        assert await s.call("GET", "/cards") == {
            "cards": [],
            "total": 0,
            "stopped": 0,
            "configured": True,
        }
        await publish(s, "Ann", "Bob")
        await s.call("GET", "/cards")
        await anyio.sleep(5)
        found = await s.call("GET", "/cards")
        (card,) = found["cards"]
        (message,) = webhook.messages
        assert card == {
            "id": card["id"],
            "webhook": "default",
            "party": LAN,
            "over": False,
            "state": "shown",
            "reason": "",
            "since": "2026-11-30T20:00:00Z",
            "last_change": "2026-11-30T20:00:01Z",
            "posted": card["posted"],
            "message_id": message["id"],
            "message_url": card["message_url"],
        }
        assert card["posted"] is not None
        guild = card["message_url"].removeprefix("https://discord.com/channels/").split("/")[0]
        assert card["message_url"].endswith(f"{guild}/{webhook.channel_id}/{message['id']}")
        # Asked again without a change, it has the same ETag.
        assert await s.call("GET", "/cards") == found


async def test_a_card_in_a_forum_is_linked_in_its_thread(running: Running) -> None:
    discord, webhook, config = scene(forum=True, cards=[{"thread": True}])
    async with running(discord, **config) as s:
        await publish(s, "Ann")
        await s.call("GET", "/cards")
        await anyio.sleep(5)
        (card,) = (await s.call("GET", "/cards"))["cards"]
        (message,) = webhook.messages
        assert message["channel_id"] != webhook.channel_id
        assert card["message_url"].endswith(f"/{message['channel_id']}/{message['id']}")


async def test_without_cards_in_the_configuration_there_are_none(running: Running) -> None:
    discord, _, config = scene(cards=False)
    async with running(discord, **config) as s:
        await publish(s, "Ann")
        answer = await s.call("GET", "/cards")
        assert (answer["configured"], answer["cards"]) == (False, [])


async def test_a_card_that_is_posted_again_comes_below_the_others(running: Running) -> None:
    discord, webhook, config = scene()
    async with running(discord, **config) as s:
        await publish(s, "Ann")
        (card,) = (await s.call("GET", "/cards"))["cards"]
        (before,) = webhook.messages
        await post(discord, webhook)
        (after,) = (await s.call("POST", f"/cards/{card['id']}/post"))["cards"]
        # The old message is there until then.
        assert (after["state"], after["message_id"]) == ("waiting", before["id"])
        await anyio.sleep(5)
        _, message = webhook.messages
        assert message["id"] != before["id"]
        assert "Ann" in str(message)
        (listed,) = (await s.call("GET", "/cards"))["cards"]
        assert (listed["state"], listed["message_id"]) == ("shown", message["id"])


async def post(discord: StandInDiscord, webhook: StandInWebhook) -> None:
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        await client.post(webhook.url, json={"content": "someone else"})


async def test_a_card_that_is_removed_does_not_come_back(running: Running) -> None:
    discord, webhook, config = scene()
    async with running(discord, **config) as s:
        await publish(s, "Ann")
        (card,) = (await s.call("GET", "/cards"))["cards"]
        assert (await s.call("DELETE", f"/cards/{card['id']}"))["cards"] == []
        await anyio.sleep(5)
        assert webhook.messages == []
        await publish(s, "Bob")
        assert (await s.call("GET", "/cards"))["cards"] == []
        for method, path in (("POST", f"/cards/{card['id']}/post"), ("DELETE", "/cards/nothing")):
            status, reason = await rejection(s.call(method, path))
            assert (status, reason[:16]) == (404, "there is no card")


async def test_a_card_that_has_stopped_says_why_and_goes_on_when_posted_again(
    running: Running,
) -> None:
    discord, webhook, config = scene()
    discord.faults.fail(400, code=50035, message="geheimnis is invalid", times=2)
    async with running(discord, **config) as s:
        s.bus.redactor.add("geheimnis")
        await publish(s, "Ann")
        answer = await s.call("GET", "/cards")
        (card,) = answer["cards"]
        assert (card["state"], answer["stopped"]) == ("stopped", 1)
        assert "is invalid" in card["reason"]
        health = s.bus.health()["discord"]
        assert health.status == "degraded"
        assert health.detail.startswith("1 card of webhook 'default' stopped: ")
        await s.call("POST", f"/cards/{card['id']}/post")
        await anyio.sleep(5)
        (card,) = (await s.call("GET", "/cards"))["cards"]
        assert (card["state"], card["reason"]) == ("shown", "")
        assert s.bus.health()["discord"].status == "ok"
        assert len(webhook.messages) >= 1
        assert not any("geheimnis" in one or webhook.token in one for one in s.answers)


async def test_cards_that_have_stopped_come_first_and_names_are_cut(running: Running) -> None:
    discord, _, config = scene()
    async with running(discord, **config) as s:
        await publish(s, "Ann", party="W" * 5000)
        discord.faults.fail(400, code=50035, times=2)
        await publish(s, "Ann", party="Bad")
        await publish(s, "Ann", party="", party_id="lan-7")
        answer = await s.call("GET", "/cards")
        names = [card["party"] for card in answer["cards"]]
        assert names == ["Bad", "lan-7", "W" * 255 + "…"]
        few = await s.call("GET", "/cards", limit=1)
        assert ([card["party"] for card in few["cards"]], few["total"]) == (["Bad"], 3)


async def test_a_party_that_is_over_leaves_the_list_once_its_recap_is_shown(
    running: Running,
) -> None:
    discord, _, config = scene()
    async with running(discord, **config) as s:
        await publish(s, "Ann")
        ended = PartyEnded(
            party_name=LAN, since=BEGAN, duration=9.0, peak=1, visitors=1, players=(), games=()
        )
        discord.faults.fail(503, times=8)
        await s.bus.publish_and_wait(ended)
        await anyio.sleep(3)
        (card,) = (await s.call("GET", "/cards"))["cards"]
        assert (card["over"], card["state"]) == (True, "waiting")
        await anyio.sleep(60)
        assert (await s.call("GET", "/cards"))["cards"] == []


async def test_why_a_card_waits_is_said(running: Running) -> None:
    discord, _, config = scene()
    discord.faults.fail(503, times=6)
    async with running(discord, **config) as s:
        await s.bus.publish_and_wait(PeerJoined(peer_name="Ann", party_name=LAN))
        await anyio.sleep(0.5)
        (card,) = (await s.call("GET", "/cards"))["cards"]
        assert (card["state"], card["posted"], card["message_url"]) == ("waiting", None, None)
        assert "503" in card["reason"]
        detail = s.bus.health()["discord"].detail
        assert detail.startswith("cards of webhook 'default' wait: ")
        await anyio.sleep(30)
        assert s.bus.health()["discord"].status == "ok"


async def test_before_the_start_it_answers_503(running: Running) -> None:
    discord, _, config = scene()
    async with running(discord, **config) as s:
        pass

    status, _ = await rejection(s.call("GET", "/cards"))
    assert status == 503
