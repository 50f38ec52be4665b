from __future__ import annotations

import subprocess
import sys

import anyio
import httpx
import pytest

import lanrage_events_discord.testing as kit
from lanrage_events_discord.testing import StandInDiscord
from lanrage_events_discord.testing._routes import Route


@pytest.mark.parametrize(
    "host", ["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"]
)
async def test_it_answers_for_every_host_of_discord(host: str) -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        url = webhook.url.replace("discord.com", host)
        response = await client.post(url, json={"content": "hello"})

    assert response.status_code == 204


async def test_it_does_not_answer_for_anybody_else() -> None:
    discord = StandInDiscord()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        with pytest.raises(RuntimeError, match=r"discord\.example"):
            await client.post("https://discord.example/api/webhooks/1/secret", json={})

    assert not discord.journal


async def test_a_client_that_gives_up_before_discord_acts_posts_nothing() -> None:
    discord = StandInDiscord(latency=1.0)
    webhook = discord.create_webhook()
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        for seconds in (0.4, 0.6):
            with anyio.move_on_after(seconds):
                await client.post(webhook.url, json={"content": f"{seconds}"})

        await anyio.sleep(5)

    # The second one gave up while the answer was on its way.
    assert [message["content"] for message in webhook.messages] == ["0.6"]


async def test_requests_overlap() -> None:
    discord = StandInDiscord(limit=None, latency=1.0)
    webhook = discord.create_webhook()
    begin = anyio.current_time()
    async with (
        httpx.AsyncClient(transport=discord.transport()) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(40):
            tasks.start_soon(client.get, webhook.url)

    assert anyio.current_time() - begin == pytest.approx(1)
    assert len(discord.journal) == 40


async def test_the_latency_can_change() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    discord.latency = 3.0
    async with httpx.AsyncClient(transport=discord.transport()) as client:
        begin = anyio.current_time()
        await client.get(webhook.url)

    assert anyio.current_time() - begin == pytest.approx(3)


async def test_the_address_is_discords() -> None:
    discord = StandInDiscord()
    webhook = discord.create_webhook()
    assert discord.base_url == "https://discord.com"
    assert discord.host == "discord.com"
    assert webhook.url == f"https://discord.com/api/webhooks/{webhook.id}/{webhook.token}"
    assert webhook.token.startswith("made-up-token-")
    assert len(webhook.token) == 68


def test_ids_and_tokens_are_the_same_every_time() -> None:
    assert StandInDiscord().create_webhook().url == StandInDiscord().create_webhook().url


@pytest.mark.parametrize("target", ["//[", "http://[::1", "/api/webhooks/1/2/messages/", "*", ""])
def test_a_malformed_target_is_not_a_route(target: str) -> None:
    assert Route.parse("POST", target).action == "unknown"


def test_the_public_names_show_the_public_module() -> None:
    hidden = ("TYPE_CHECKING", "annotations")
    names = [name for name in dir(kit) if not name.startswith("_") and name not in hidden]
    assert sorted(names) == [
        "Action",
        "Drip",
        "Fail",
        "Fault",
        "Faults",
        "Hang",
        "Journal",
        "Message",
        "Record",
        "Reset",
        "Scope",
        "Script",
        "StandInDiscord",
        "StandInRequest",
        "StandInWebhook",
        "When",
    ]
    for name in names:
        value = getattr(kit, name)
        if isinstance(value, type):
            assert value.__module__ in ("lanrage_events_discord.testing", "builtins")


@pytest.mark.slow
def test_importing_it_imports_no_http_client() -> None:
    code = (
        "import sys; import lanrage_events_discord.testing._discord as m;"
        "print(m.StandInDiscord().create_webhook().url.split('/')[2], 'httpx' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, encoding="utf-8"
    )
    assert done.stdout.split()[0] == "discord.com"
