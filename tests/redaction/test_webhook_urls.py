from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lanrage_events import (
    EventDecodeError,
    LanrageEventsError,
    Redactor,
)
from lanrage_events.__main__ import main
from lanrage_events._redaction import SECRET_MASK, mask_webhook_urls
from lanrage_events.cli import safe_text, write_json
from lanrage_events.config import ConfigError
from lanrage_events.events import EventRegistry

TOKEN = "made-up_token-of_nobody-0123456789-abcdefghijklmnopqrstuvwxyz_ABCDEF"
URL = f"https://discord.com/api/webhooks/123456789012345678/{TOKEN}"
SHAPES = (
    URL,
    f"{URL}/slack",
    f"{URL}?thread_id=12",
    URL.replace("/api/", "/api/v10/"),
    URL.replace("discord.com", "canary.discord.com"),
    URL.replace("https://discord.com", "http://127.0.0.1:8080"),
    URL.removeprefix("https://discord.com"),
    URL.upper(),
    f"https://media.guilded.gg/webhooks/01234567-89ab-cdef-0123-456789abcdef/{TOKEN}",
    f"https://hooks.slack.com/services/T0123/B0123/{TOKEN}",
)
ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": json.dumps,
    "JSON of PHP": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text).replace("/", "\\/")),
    "URL": lambda text: quote(text, safe=""),
    "URL twice": lambda text: quote(quote(text, safe=""), safe=""),
    "lower-case URL": lambda text: quote(text, safe="").replace("%2F", "%2f"),
    "HTML": lambda text: html.escape(text).replace("/", "&#x2F;"),
    "Python": lambda text: repr(text.encode()),
    "path": lambda text: str(Path(text)),
}


def is_hidden(text: str) -> bool:
    return TOKEN[:8].lower() not in text.lower() and TOKEN[-8:].lower() not in text.lower()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_token_of_a_webhook_url_is_masked_in_any_form(shape: str, encoding: str) -> None:
    shown = Redactor().redact(f"before {ENCODINGS[encoding](shape)} after")

    assert is_hidden(shown)
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert shown.count(SECRET_MASK) == 1


@given(st.text(), st.text(), st.text("abcXYZ019_-", min_size=1), st.integers(1))
def test_nothing_around_it_changes_and_twice_is_once(
    before: str, after: str, token: str, number: int
) -> None:
    assume("hook" not in f"{before} {after}".lower())
    masked = mask_webhook_urls(f"{before} webhooks/{number}/{token} {after}")

    assert masked == f"{before} webhooks/{number}/{SECRET_MASK} {after}"
    assert mask_webhook_urls(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "https://discord.com/api/webhooks/ID/TOKEN",
        "https://discord.com/api/webhooks/123456789012345678",
        "https://discord.com/api/channels/1/messages/2",
        "webhooks 1 / 2",
        "GET /api/discord/webhooks/default",
    ],
)
def test_what_gives_no_access_stays(text: str) -> None:
    assert mask_webhook_urls(text) == text


def test_a_long_text_takes_linear_time() -> None:
    text = "webhooks/1" + "/" * 200_000 + " webhooks/1" * 50_000 + "%25" * 50_000
    assert mask_webhook_urls(text) == text


@pytest.mark.parametrize("show", [safe_text, Redactor().redact])
def test_every_way_to_make_a_text_safe_masks_it(show: Callable[[str], str]) -> None:
    assert is_hidden(show(f"{URL}\n\x1b[2J"))
    assert is_hidden(show(f"\u200bé {URL}"))


def test_it_is_masked_as_a_key_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({URL: [URL, {"x": URL}]})
    assert is_hidden(capsys.readouterr().out)
    assert is_hidden(str(Redactor().redact_value({URL: {URL: [URL]}})))


def test_no_text_of_an_error_shows_one() -> None:
    with pytest.raises(EventDecodeError) as unknown:
        EventRegistry().from_dict({"type": URL})

    for error in (LanrageEventsError(URL), ConfigError([URL]), unknown.value):
        assert is_hidden(f"{error} {error!r}")


YAML = {
    "key at the top": f"{URL}: 1\n",
    "quoted key": f"'{URL}': 1\n",
    "key twice": f"'{URL}': 1\n'{URL}': 2\n",
    "key in a list": f"? ['{URL}']\n: 1\n",
    "name of a plugin": f"plugins:\n  {URL}: {{}}\n",
    "key of a plugin": f"plugins:\n  discord:\n    '{URL}': 1\n",
    "name of a webhook": f"plugins:\n  discord:\n    webhooks: {{'{URL}': x}}\n",
    "plugin": f"plugins: {{discord: '{URL}'}}\n",
    "tag": f"plugins: !<{URL}> {{}}\n",
    "short tag": f"plugins: !{URL} {{}}\n",
    "alias": f"plugins: *webhooks/1/{TOKEN}\n",
    "directive": f"%{URL}\n---\n",
    "duration": f"drain_timeout: {URL}\n",
    "choice": f"backend: '{URL}'\n",
    "folder": f"templates: ['{URL}']\n",
    "variable": f"plugins: {{discord: {{webhook_url: '${{{URL}}}'}}}}\n",
    "file": f"plugins: {{discord: {{webhook_url: '${{file:{URL}}}'}}}}\n",
    "bracket": f"plugins: [{URL}\n",
    "host": f"plugins: {{http: {{host: '{URL}'}}}}\n",
    "preset": f"plugins: {{logfile: {{files: [{{path: a, preset: '{URL}'}}]}}}}\n",
    "route": f"plugins: {{discord: {{routes: [{{events: '{URL}', webhook: '{URL}'}}]}}}}\n",
    "where": f"plugins: {{discord: {{routes: [{{where: 1, x: {{'{URL}': 1}}}}]}}}}\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("place", YAML)
def test_check_shows_no_webhook_url_wherever_it_is(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lanrage.yaml"
    file.write_text(YAML[place])

    assert main(["check", str(file)]) == 78
    output = capsys.readouterr()
    assert is_hidden(output.out + output.err)
    assert f"{file}:" in output.out


COMMANDS = "check events logfile-test new-plugin outbox plugins preview publish run schema stream"


@pytest.mark.parametrize("command", [*COMMANDS.split(), "", "outbox retry"])
@pytest.mark.parametrize("word", [URL, f"--{URL}", f"--config={URL}", f"{URL}=1"])
def test_command_line_is_not_repeated_with_a_webhook_url(
    command: str,
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main([*command.split(), word, word]) in (1, 2, 78)
    output = capsys.readouterr()
    assert is_hidden(output.out + output.err)
    assert output.out + output.err


@pytest.mark.slow
def test_a_message_for_discord_shows_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "notification", f"title={URL}", f"message=\u200b {URL}"]) == 0
    output = capsys.readouterr()
    assert is_hidden(output.out + output.err)
    assert "webhooks/123456789012345678/" in output.out
