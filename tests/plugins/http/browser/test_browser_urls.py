"""The page's checks of URLs and its hints agree with the server."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from lanrage_events_discord._client import validate_invite_url, validate_webhook_url

pytestmark = [pytest.mark.real_clock, pytest.mark.slow]

TOKEN = "made-up-token-" + "x" * 54
SCHEMES = ("https://", "HTTPS://", "http://", "")
OTHER_HOSTS = ("discord.com.example.org", "localhost:8123")
HOSTS = (
    "discord.com",
    "Discord.com",
    "ptb.discord.com",
    "canary.discordapp.com",
    "discord.gg",
    "discord.com:443",
    "discord.com:8443",
    "me@discord.com",
    *OTHER_HOSTS,
)
PATHS = (
    "",
    "/",
    "/abc-123",
    "/abc_123/",
    "/invite",
    "/invite/",
    "/invite/abc",
    "/invite/abc/more",
    "/channels/1/2",
    "/api/webhooks",
    "/api/webhooks/",
    "/api/webhooks/x/y",
    "/api/webhooks/123",
    f"/api/webhooks/123/{TOKEN}",
    f"/api/v10/webhooks/123/{TOKEN}",
    f"/api/v10/webhooks/123/{TOKEN}/",
    f"/api/webhooks/123/{TOKEN}/slack",
    f"/api/webhooks/{'9' * 21}/{TOKEN}",
    f"/api/webhooks/123/{TOKEN}?wait=true",
    f"/api/webhooks/123/{TOKEN}?thread_id=5#here",
    f"/api/webhooks/123/{TOKEN}%20",
    "/api/webhooks/123/ümlaut",
)
URLS = [*map("".join, product(SCHEMES, HOSTS, PATHS)), " \n", "https://", "https://[", "nonsense"]
CHECK = """async ([name, urls]) => {
    const { [name]: check } = await import("/pages/discord/urls.js");
    return urls.map((url) => check(` ${url}\\n`).tone);
}"""


def is_rejected(check: Any, url: str) -> bool:
    try:
        check(url)
    except ValueError:
        return True

    return False


def test_the_page_rejects_no_url_that_the_server_takes(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url)
    for name, check in [
        ("checkWebhookUrl", lambda url: validate_webhook_url(url, OTHER_HOSTS)),
        ("checkInviteUrl", validate_invite_url),
    ]:
        tones = page.evaluate(CHECK, [name, URLS])
        rejected = [url for url, tone in zip(URLS, tones, strict=True) if tone == "error"]
        assert [url for url in rejected if not is_rejected(check, url)] == []


def test_what_looks_good_on_the_page_is_good(site: Any, wide_visit: Any) -> None:
    page = wide_visit.open(site.url)
    for name, check in [
        ("checkWebhookUrl", validate_webhook_url),
        ("checkInviteUrl", validate_invite_url),
    ]:
        tones = page.evaluate(CHECK, [name, URLS])
        good = [url for url, tone in zip(URLS, tones, strict=True) if tone == "good"]
        assert len(good) >= 8
        assert [url for url in good if is_rejected(check, url)] == []


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ({"status": 404}, "Copy Webhook URL"),
        ({"status": 401}, "Copy Webhook URL"),
        ({"status": 403}, "permissions of the channel"),
        ({"status": 400, "reason": "A tag is required"}, "needs a thread"),
        ({"status": 400, "reason": "Invalid Form Body"}, "Discord rejected the message"),
        ({"status": 500}, "problems at the moment"),
        ({"status": None}, "could not be reached"),
    ],
)
def test_each_rejection_has_its_hint(
    site: Any, wide_visit: Any, outcome: dict[str, Any], expected: str
) -> None:
    page = wide_visit.open(site.url)
    result = {"delivered": False, "reason": "", "retry_after": None, **outcome}
    script = "async (result) => (await import('/pages/discord/states.js')).hint(result)"
    assert expected in page.evaluate(script, result)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 seconds"),
        (0.2, "1 second"),
        (59.5, "1 minute"),
        (60, "1 minute"),
        (90, "1 minute 30 seconds"),
        (600, "10 minutes"),
        (3600, "1 hour"),
        (3661, "1 hour 1 minute"),
        (7199, "1 hour 59 minutes"),
        (86400, "1 day"),
        (90061, "1 day 1 hour"),
    ],
)
def test_durations_are_in_words(site: Any, wide_visit: Any, seconds: float, expected: str) -> None:
    page = wide_visit.open(site.url)
    script = "async (seconds) => (await import('/static/format.js')).duration(seconds)"
    assert page.evaluate(script, seconds) == expected
