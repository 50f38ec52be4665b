from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lanrage_events_discord._client import WebhookURL, validate_invite_url, validate_webhook_url

TOKEN = "made-up_TOKEN-" + "x" * 54
GOOD = f"https://discord.com/api/webhooks/123456789012345678/{TOKEN}"
HOSTS = [
    "discord.com",
    "ptb.discord.com",
    "canary.discord.com",
    "discordapp.com",
    "ptb.discordapp.com",
    "canary.discordapp.com",
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("version", ["", "/v6", "/v10"])
def test_webhook_url_of_each_of_discords_hosts_is_accepted(host: str, version: str) -> None:
    webhook = validate_webhook_url(f"https://{host}/api{version}/webhooks/42/{TOKEN}")
    assert webhook == WebhookURL(host=host, id="42", token=TOKEN)
    assert webhook.execute_url() == f"https://{host}/api/v10/webhooks/42/{TOKEN}?wait=true"


@pytest.mark.parametrize(
    "url",
    [
        f"  {GOOD}\n",
        f"{GOOD}/",
        f"{GOOD}?wait=true",
        f"{GOOD}?with_components=1&wait=false#top",
        GOOD.replace("https", "HTTPS"),
        GOOD.replace("discord.com", "Discord.COM"),
    ],
)
def test_what_is_pasted_along_does_not_matter(url: str) -> None:
    assert validate_webhook_url(url) == validate_webhook_url(GOOD)


def test_thread_of_the_url_is_kept() -> None:
    webhook = validate_webhook_url(f"{GOOD}?wait=true&thread_id=77")
    assert webhook.thread_id == "77"
    assert webhook.execute_url().endswith("?wait=true&thread_id=77")
    assert webhook.execute_url(wait=False, thread_id="78").endswith(f"{TOKEN}?thread_id=78")
    assert webhook.info_url().endswith(f"/api/v10/webhooks/123456789012345678/{TOKEN}")
    assert webhook.reveal() == f"{GOOD}?thread_id=77"
    assert validate_webhook_url(webhook.reveal()) == webhook


def test_longest_url_is_accepted() -> None:
    assert (
        validate_webhook_url(f"{GOOD}?x={'y' * (2048 - len(GOOD) - 3)}").id == "123456789012345678"
    )


def test_message_is_posted_without_waiting_or_thread() -> None:
    webhook = validate_webhook_url(GOOD)
    assert webhook.execute_url(wait=False) == webhook.info_url()
    assert webhook.reveal() == GOOD


REFUSED = [
    ("", "is empty"),
    ("   ", "is empty"),
    (TOKEN, "must begin with https://"),
    (GOOD.removeprefix("https://"), "must begin with https://"),
    (GOOD.replace("https", "http"), "must begin with https://, not with http://"),
    (GOOD.replace("https://", "ftp://"), "must begin with https://"),
    (GOOD.replace("https://", "https:/"), "must begin with https://"),
    (GOOD.replace("https://", "https:///"), "has no host"),
    (GOOD.replace("//", "//user:pass@"), "has a user name before its host"),
    (GOOD.replace("//", f"//{TOKEN}@"), "has a user name before its host"),
    (f"https://discord.com@evil.example/api/webhooks/1/{TOKEN}", "has a user name"),
    (GOOD.replace(".com", ".com:443"), "has a port after its host"),
    (GOOD.replace(".com", ".com:8443"), "has a port after its host"),
    (GOOD.replace(".com", ".com:"), "has a port after its host"),
    (GOOD.replace(".com", f".com:{TOKEN}"), "has a port after its host"),
    (GOOD.replace(".com", ".com.evil.example"), "its host is 'discord.com.evil.example'"),
    (GOOD.replace("discord.com", "evil-discord.com"), "its host is 'evil-discord.com'"),
    (GOOD.replace("discord.com", "notdiscord.com"), "its host is 'notdiscord.com'"),
    (GOOD.replace("discord.com", "beta.discord.com"), "its host is 'beta.discord.com'"),
    (GOOD.replace("discord.com", "discord.com."), "its host is 'discord.com.'"),
    (GOOD.replace("discord.com", "discord.gg"), "its host is 'discord.gg'"),
    (GOOD.replace("discord.com", "xn--dscord-3ya.com"), "does not lead to Discord"),
    (GOOD.replace("discord.com", "127.0.0.1"), "does not lead to Discord"),
    (GOOD.replace("discord.com", "[::1]"), "does not lead to Discord"),
    (GOOD.replace("discord.com", "[::1"), "has no readable host"),
    (GOOD.replace("discord", "dıscord"), "has letters that are not plain Latin ones"),
    (GOOD.replace("discord.com", "discord。com"), "has letters that are not plain Latin ones"),
    (GOOD.replace("123456789012345678", "١٢٣"), "has letters that are not plain Latin ones"),
    (GOOD.replace(".com/", ".com\\@evil.example/"), "has a backslash"),
    (GOOD.replace("/api", "\\api"), "has a backslash"),
    (GOOD.replace("/api", "/a pi"), "has white space or invisible characters"),
    (GOOD.replace("/api", "/\tapi"), "has white space or invisible characters"),
    (GOOD.replace("/api", "/\u200bapi"), "has white space or invisible characters"),
    (GOOD + "\n" + GOOD, "has white space or invisible characters"),
    (GOOD.replace("/api", "/%61pi"), "has percent escapes"),
    (f"{GOOD}%2Fgithub", "has percent escapes"),
    (f"{GOOD}/{'x' * 2000}", "characters, at most 2048 are allowed"),
    ("https://discord.com", "is not that of a webhook"),
    ("https://discord.com/channels/1/2", "is not that of a webhook"),
    (GOOD.replace("/api/", "/API/"), "is not that of a webhook"),
    (GOOD.replace("/api/", "//api/"), "is not that of a webhook"),
    (GOOD.replace("/api/", "/api/vX/"), "is not that of a webhook"),
    (GOOD.replace("/webhooks/", "/webhook/"), "is not that of a webhook"),
    ("https://discord.com/api/webhooks", "lacks the webhook's number"),
    ("https://discord.com/api/webhooks/", "lacks the webhook's number"),
    (f"https://discord.com/api/webhooks/{TOKEN}", "lacks the webhook's number"),
    (f"https://discord.com/api/webhooks/{'1' * 21}/{TOKEN}", "lacks the webhook's number"),
    (f"https://discord.com/api/webhooks//{TOKEN}", "lacks the webhook's number"),
    ("https://discord.com/api/webhooks/123", "lacks its token"),
    ("https://discord.com/api/webhooks/123/", "lacks its token"),
    ("https://discord.com/api/webhooks/123//slack", "lacks its token"),
    (f"{GOOD}!", "has characters that no token has"),
    (f"{GOOD};x", "has characters that no token has"),
    (f"{GOOD}/slack", "goes on after its token"),
    (f"{GOOD}/github", "goes on after its token"),
    (f"{GOOD}/messages/1", "goes on after its token"),
    (f"{GOOD}//", "goes on after its token"),
    (f"{GOOD}?thread_id=", "thread_id of the webhook URL must be one number"),
    (f"{GOOD}?thread_id=1x", "thread_id of the webhook URL must be one number"),
    (f"{GOOD}?thread_id=1&thread_id=2", "thread_id of the webhook URL must be one number"),
]


@pytest.mark.parametrize(("url", "message"), REFUSED)
def test_rejection_says_why_and_never_repeats_the_token(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        validate_webhook_url(url)

    assert TOKEN.lower() not in str(caught.value).lower()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@settings(deadline=None)
@given(st.integers(0, len(GOOD)), st.text(max_size=3), st.integers(0, 3))
@example(len("https://discord.com"), "@", 0)
def test_changed_url_is_either_harmless_or_rejected_without_the_token(
    place: int, inserted: str, removed: int
) -> None:
    url = GOOD[:place] + inserted + GOOD[place + removed :]
    webhook, rejection = None, ""
    try:
        webhook = validate_webhook_url(url)
    except ValueError as error:
        rejection = str(error)

    if webhook is None:
        assert TOKEN.lower() not in rejection.lower()
        return

    target = urlsplit(webhook.execute_url())
    assert target.scheme == "https"
    assert target.netloc in HOSTS
    assert re.fullmatch(r"/api/v10/webhooks/[0-9]+/[A-Za-z0-9_-]+", target.path)
    assert re.fullmatch(r"wait=true(&thread_id=[0-9]+)?", target.query)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_answered_with_a_value_error(text: str) -> None:
    for validate in (validate_webhook_url, validate_invite_url):
        with pytest.raises(ValueError, match="URL"):
            validate(text)


@settings(deadline=None)
@given(st.text(alphabet="abcdefghijklmnop.-@:/\\[]%1", min_size=1, max_size=20))
@example("evil.example/discord.com")
@example("discord.com@evil.example")
def test_only_discords_hosts_are_reached(host: str) -> None:
    assume(host.rstrip("/") not in HOSTS)
    with pytest.raises(ValueError, match="URL"):
        validate_webhook_url(f"https://{host}/api/webhooks/1/{TOKEN}")


@pytest.mark.parametrize(
    ("url", "allowed", "host"),
    [
        ("http://127.0.0.1:8123/api/webhooks/1/t", "127.0.0.1:8123", "127.0.0.1:8123"),
        ("https://127.0.0.1:8123/api/webhooks/1/t", "127.0.0.1:8123", "127.0.0.1:8123"),
        ("http://[::1]:8123/api/webhooks/1/t", "[::1]:8123", "[::1]:8123"),
        ("http://proxy.example/api/webhooks/1/t", " Proxy.Example ", "proxy.example"),
        ("http://proxy.example:80/api/webhooks/1/t", "proxy.example", "proxy.example"),
        ("https://proxy.example/api/webhooks/1/t", "proxy.example:443", "proxy.example"),
    ],
)
def test_allowed_host_is_admitted_with_http_too(url: str, allowed: str, host: str) -> None:
    webhook = validate_webhook_url(url, allow_hosts=("other.example", allowed))
    assert webhook.host == host
    assert webhook.execute_url().startswith(
        f"{url[: url.index(':')]}://{host}/api/v10/webhooks/1/t"
    )
    assert validate_webhook_url(webhook.reveal(), allow_hosts=[allowed]) == webhook


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:8124/api/webhooks/1/t", "its host is '127.0.0.1'"),
        ("http://127.0.0.1/api/webhooks/1/t", "its host is '127.0.0.1'"),
        ("http://user@127.0.0.1:8123/api/webhooks/1/t", "has a user name"),
        ("http://127.0.0.1:8123.evil.example/api/webhooks/1/t", "its host is '127.0.0.1'"),
        ("http://discord.com/api/webhooks/1/t", "must begin with https://"),
        ("http://127.0.0.1:8123/api/webhooks/1", "lacks its token"),
    ],
)
def test_allowed_host_admits_nothing_else(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        validate_webhook_url(url, allow_hosts=["127.0.0.1:8123"])


def test_webhook_url_shows_neither_url_nor_token() -> None:
    webhook = validate_webhook_url(f"{GOOD}?thread_id=7")
    for shown in (repr(webhook), str(webhook), f"{webhook}", f"{[webhook]!r}"):
        assert TOKEN not in shown
        assert "discord.com" in shown
        assert "123456789012345678" in shown


def test_secrets_cover_every_form_of_the_url() -> None:
    webhook = validate_webhook_url(f"{GOOD}?thread_id=7")
    forms = [webhook.reveal(), webhook.execute_url(), webhook.info_url(), webhook.token]
    text = " ".join([*forms, f"{webhook.id}/{webhook.token}"])
    secrets = webhook.secrets()
    assert sorted(secrets, key=len, reverse=True) == list(secrets)
    for secret in secrets:
        assert secret in text
        text = text.replace(secret, "*")

    assert text == "* *?wait=true&thread_id=7 * * *"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://discord.gg/abc123", "https://discord.gg/abc123"),
        (" https://discord.gg/abc-123/\n", "https://discord.gg/abc-123"),
        ("HTTPS://Discord.GG/AbC", "https://discord.gg/AbC"),
        ("https://discord.gg/invite/abc", "https://discord.gg/abc"),
        ("https://discord.gg/abc?event=5#x", "https://discord.gg/abc"),
        *((f"https://{host}/invite/abc", f"https://{host}/invite/abc") for host in HOSTS),
    ],
)
def test_invite_is_accepted_and_returned_without_what_is_not_needed(
    url: str, expected: str
) -> None:
    assert validate_invite_url(url) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "is empty"),
        ("abc123", "must begin with https://"),
        ("discord.gg/abc123", "must begin with https://"),
        ("http://discord.gg/abc123", "must begin with https://, not with http://"),
        ("https://discord.gg", "lacks its code"),
        ("https://discord.gg/", "lacks its code"),
        ("https://discord.gg/invite/", "lacks its code"),
        ("https://discord.com/invite", "lacks its code"),
        ("https://discord.com/invite/", "lacks its code"),
        ("https://discord.com/abc123", "expected discord.com/invite/<code>"),
        ("https://discord.com/channels/1/2", "is not that of an invite"),
        ("https://discord.gg/abc/def", "has characters that no code has"),
        ("https://discord.gg/a(b)", "has characters that no code has"),
        ("https://discord.gg/a%20b", "has percent escapes"),
        ("https://discord.gg.evil.example/abc", "its host is 'discord.gg.evil.example'"),
        ("https://evil.example/discord.gg/abc", "its host is 'evil.example'"),
        ("https://discord.gg@evil.example/abc", "has a user name"),
        ("https://discord.gg:444/abc", "has a port"),
        ("https://dıscord.gg/abc", "has letters that are not plain Latin ones"),
        ("https://discord.gg/abc)[x](https://evil.example", "has characters that no code has"),
    ],
)
def test_other_invite_is_rejected_with_the_reason(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        validate_invite_url(url)
