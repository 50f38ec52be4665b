"""The settings: what is accepted, and what errors say."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lanrage_events.config import ConfigError, validate
from lanrage_events.yaml import parse
from lanrage_events_webhook import TargetConfig, WebhookConfig

URL = "https://example.org/hook?key=secret-in-the-url"


def check(target: str) -> TargetConfig:
    text = f"targets: {{office: {target}}}"
    return validate(parse(text, "lanrage.yaml"), WebhookConfig).targets["office"]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("{}", "a target needs url"),
        ("{url: example.org}", "expected a whole address, with https or http and a host"),
        ("{url: 'ftp://example.org'}", "expected a whole address, with https or http and a host"),
        ("{url: 'https://'}", "expected a whole address, with https or http and a host"),
        ("{url: 'https://exa mple:x/'}", "expected a whole address, with https or http and a host"),
        ("{preset: slack}", "slack needs url"),
        ("{preset: telegram, to: '1'}", "telegram needs token"),
        ("{preset: telegram, to: '1', token: ''}", "telegram needs token"),
        ('{url: "https://x", token: "a\\nb"}', "the token has other than printable ASCII"),
        ("{preset: matrix, to: '!r:x'}", "matrix needs url and token"),
        ("{preset: ntfy}", "ntfy needs to"),
        ("{preset: home_assistant, url: 'http://ha'}", "home_assistant needs to and token"),
        ("{preset: ntfy, to: lan, method: PUT}", "ntfy takes no method"),
        ("{preset: ntfy, to: lan, batch: 5, cloudevents: x}", "ntfy takes no batch and no clo"),
        ("{preset: ntfy, to: lan, body: text}", "expected keys as body"),
        ("{url: 'https://x', to: lan}", "a target takes no to"),
        ("{url: 'https://x', body: {}, cloudevents: x}", "at most one of cloudevents and body"),
        (
            "{url: 'https://x', body: text, batch: 2}",
            "a list of texts cannot be sent: remove batch",
        ),
        ("{url: 'https://x', cloudevents: 'a b'}", "string should match"),
        ("{url: 'https://x', token: t, headers: {authorization: x}}", "at most one of token and"),
        ("{url: 'https://x', headers: {'a b': c}}", "'a b' is set by the plugin, or is no header"),
        ('{url: "https://x", headers: {x: "a\\nb"}}', "'x' is set by the plugin, or is no header"),
        (
            "{url: 'https://x', headers: {Content-Length: b}}",
            "'Content-Length' is set by the plugin",
        ),
        ("{url: 'https://x', sign: whsec_abc}", "expected whsec_ and 24 to 64 random bytes"),
        ("{url: 'https://x', sign: '%%%'}", "expected whsec_ and 24 to 64 random bytes"),
        ("{url: 'https://x', timeout: 2m}", "must be at most 1m"),
        ("{url: 'https://x', batch: 0}", "must be at least 1"),
        ("{url: 'https://x', metod: PUT}", "did you mean 'method'?"),
    ],
)
def test_an_error_names_the_target_and_the_remedy(target: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(target)

    (text,) = caught.value.problems
    assert text.startswith("lanrage.yaml:1:")
    assert "targets.office" in text
    assert problem in text


def test_no_secret_is_shown() -> None:
    settings: dict[str, Any] = {
        "url": URL,
        "token": "secret-token",
        "headers": {"X-Key": "secret-header"},
        "sign": "whsec_" + base64.b64encode(b"secret-key" * 3).decode(),
    }
    config = WebhookConfig(targets={"office": TargetConfig(**settings)})

    shown = f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"
    assert "secret" not in shown.replace("SecretStr", "")
    assert settings["sign"] not in shown


@pytest.mark.parametrize(
    "target",
    [
        f"{{url: '{URL}', method: PUT, headers: {{X-Key: abc}}, body: {{a: '{{{{ type }}}}'}}}}",
        "{url: 'https://x', batch: 50, cloudevents: 'https://lan.example.org/'}",
        "{url: 'https://x', body: '{{ rendered.title }}'}",
        "{url: 'https://x', body: [1, '{{ type }}']}",
        "{preset: ntfy, to: lan, url: 'https://ntfy.example.org/', token: tk_abc}",
    ],
)
def test_these_are_right(target: str) -> None:
    assert check(target)


def test_an_address_loses_its_fragment_and_the_blanks_around_it() -> None:
    url = TargetConfig.model_validate({"url": " https://example.org/a#b "}).url

    assert url is not None
    assert url.get_secret_value() == "https://example.org/a"


def test_an_item_of_a_route_may_be_written_without_a_list() -> None:
    text = "targets: {a: {url: 'https://x'}}\nroutes: [{events: peer_joined, target: a}]"
    (route,) = validate(parse(text), WebhookConfig).routes

    assert (route.events, route.target) == (("peer_joined",), ("a",))
