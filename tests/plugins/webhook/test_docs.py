"""The page about webhooks: each of its examples runs against a stand-in of the service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import yaml

from lanrage_events import EventBus, GameEnded, GameStarted, PeerJoined
from lanrage_events.events import utc_now
from lanrage_events_webhook import TargetConfig, WebhookConfig, WebhookPlugin
from lanrage_events_webhook._presets import SERVICES

PAGE = (Path(__file__).parents[3] / "docs" / "webhook.md").read_text(encoding="utf-8")
YAML = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CONFIGURATIONS = [text for text in YAML if "\nplugins:" in f"\n{text}"]
TEMPLATES = [
    match.groups()
    for text in YAML
    if (match := re.fullmatch(r"# my-templates/(webhook/\w+\.yaml)\n(.*)", text, re.DOTALL))
]
EVENTS = (
    PeerJoined(peer_name="Ann", party_name="Friday LAN"),
    GameStarted(game_name="Quake", players=("Ann",)),
    GameEnded(game_name="Quake", duration=90.5),
)


def settings(text: str, services: Any, key: str) -> dict[str, Any]:
    values = {
        "SLACK_URL": f"https://hooks.slack.com{services.slack.path}",
        "MATRIX_TOKEN": services.matrix.token,
        "HOME_ASSISTANT_TOKEN": services.home_assistant.token,
        "TELEGRAM_TOKEN": services.telegram.token,
        "SIGNING_SECRET": key,
        "API_KEY": "made-up",
    }
    filled = re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], text)
    found: dict[str, Any] = yaml.safe_load(filled)["plugins"]["webhook"]
    return found


@pytest.mark.parametrize("number", range(len(CONFIGURATIONS)))
@pytest.mark.either_backend
async def test_each_example_sends_what_its_service_takes(
    services: Any, key: str, number: int
) -> None:
    services.signed.now = lambda: utc_now().timestamp()
    services.matrix.room = "!lan:example.org"
    config = WebhookConfig.model_validate(settings(CONFIGURATIONS[number], services, key))
    answers: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        response = services(request)
        if "webhook-signature" in request.headers:
            response = services.signed(request)
        elif "cloudevents" in request.headers["Content-Type"]:
            response = services.cloudevents(request)

        answers.append(response.status_code)
        return httpx.Response(response.status_code, content=response.content)

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client,
        EventBus() as bus,
    ):
        plugin = WebhookPlugin(config, http=client)
        await bus.plugins.register_and_wait(plugin, "webhook")
        for event in EVENTS:
            await bus.publish_and_wait(event)

        with anyio.fail_after(60):
            while plugin.health().undelivered:  # noqa: ASYNC110 - in virtual time
                await anyio.sleep(0.01)

    assert answers
    assert all(200 <= status < 300 for status in answers)


def test_the_page_has_an_example_of_each_preset_and_names_each_key() -> None:
    text = "\n".join(CONFIGURATIONS)

    assert set(re.findall(r"preset: (\w+)", text)) == {*SERVICES}
    for key in TargetConfig.model_fields:
        assert re.search(rf"\b{key}:|`{key}`", PAGE), key


async def test_the_template_on_the_page_says_an_event(services: Any, tmp_path: Path) -> None:
    ((name, text),) = TEMPLATES
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(text, "utf-8")
    config = WebhookConfig.model_validate({"targets": {"a": {"preset": "ntfy", "to": "lan"}}})
    async with services.client() as client, EventBus(templates=[tmp_path]) as bus:
        await bus.plugins.register_and_wait(WebhookPlugin(config, http=client), "webhook")
        await bus.publish_and_wait(EVENTS[0])

    assert services.ntfy.accepted == [
        {"title": "Ann is here", "message": "Say hello! Friday LAN has begun.", "topic": "lan"}
    ]
