"""The file in which the setup page's values are kept, whatever state it is in."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from lanrage_events_discord._setup import INVITE_URL, WEBHOOK_URL, SavedWebhook, Settings

URL = "https://discord.com/api/webhooks/111/made-up-token"
INVITE = "https://discord.gg/abc"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "discord.settings.json"


def content(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_what_is_saved_is_there_after_a_restart(path: Path) -> None:
    settings = Settings(path, inline=True)
    assert (settings.webhook_url, settings.invite_url) == (None, None)
    await settings.save(WEBHOOK_URL, URL)
    await settings.save(INVITE_URL, INVITE)
    assert (settings.webhook_url, settings.invite_url) == (URL, INVITE)
    again = Settings(path, inline=True)
    assert (again.webhook_url, again.invite_url) == (URL, INVITE)


async def test_several_webhooks_are_kept_beside_what_older_versions_know(path: Path) -> None:
    games = SavedWebhook(f"{URL}2", ("game_*",), "embeds")
    settings = Settings(path, inline=True)
    await settings.save(INVITE_URL, INVITE)
    await settings.save_webhooks({"games": games, "default": SavedWebhook(URL)})
    assert content(path) == {
        "invite_url": INVITE,
        "webhook_url": URL,
        "webhooks": {"games": {"url": f"{URL}2", "events": ["game_*"], "style": "embeds"}},
    }
    again = Settings(path, inline=True)
    assert list(again.webhooks) == ["default", "games"]
    assert again.webhooks == settings.webhooks == {"default": SavedWebhook(URL), "games": games}
    assert URL not in repr(again.webhooks)
    await again.save_webhooks({"default": SavedWebhook(URL, ("peer_*",), "digest")})
    assert Settings(path).webhooks == {"default": SavedWebhook(URL, ("peer_*",), "digest")}
    await again.save_webhooks({"default": SavedWebhook(URL)})
    assert content(path) == {"invite_url": INVITE, "webhook_url": URL}
    await again.save_webhooks({})
    assert content(path) == {"invite_url": INVITE}


def test_what_an_older_version_has_changed_is_read(path: Path) -> None:
    # It keeps the keys that it does not know.
    saved = {"webhooks": {"default": {"events": ["peer_*"]}, "games": {"url": URL}}}
    put(path, json.dumps(saved).encode())
    assert Settings(path).webhooks == {"games": SavedWebhook(URL)}
    put(path, json.dumps({**saved, "webhook_url": f"{URL}2"}).encode())
    assert Settings(path).webhooks["default"] == SavedWebhook(f"{URL}2", ("peer_*",))


async def test_cleared_value_is_gone_from_the_disk(path: Path) -> None:
    settings = Settings(path, inline=True)
    await settings.save(WEBHOOK_URL, URL)
    await settings.save(INVITE_URL, INVITE)
    await settings.save(WEBHOOK_URL, None)
    assert settings.webhook_url is None
    assert content(path) == {"invite_url": INVITE}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such permissions")
async def test_only_the_owner_may_read_it(path: Path) -> None:
    path.parent.mkdir()
    left_over = path.with_name(f"{path.name}.new")
    left_over.write_text("{}", encoding="utf-8")
    left_over.chmod(0o666)
    await Settings(path, inline=True).save(WEBHOOK_URL, URL)
    assert mode(path) == 0o600


async def test_half_of_a_character_is_damage_and_called_that(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(path, rb'{"invite_url": "https://discord.gg/abc\ud83d"}')
    assert Settings(path, inline=True).invite_url is None
    assert r"it is damaged: invite_url: lone surrogate \ud83d" in caplog.text


async def test_without_a_file_it_is_remembered_in_memory() -> None:
    settings = Settings(None)
    await settings.save(WEBHOOK_URL, URL)
    assert settings.webhook_url == URL
    assert "memory" in repr(settings)


async def test_keys_of_another_version_are_kept(path: Path) -> None:
    put(path, b'{"later": [1], "invite_url": "https://discord.gg/abc"}')
    await Settings(path, inline=True).save(INVITE_URL, None)
    assert content(path) == {"later": [1]}


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b'{"webhook_url": 5}',
        b'{"invite_url": null}',
        b'{"webhooks": []}',
        b'{"webhooks": {"a": "https://discord.com"}}',
        b'{"webhooks": {"a": {}}}',
        b'{"webhooks": {"": {"url": "https://discord.com"}}}',
        b'{"webhooks": {"a": {"url": "https://discord.com", "events": "event"}}}',
        b'{"webhooks": {"a": {"url": "https://discord.com", "events": [1]}}}',
        b'{"webhooks": {"a": {"url": "https://discord.com", "style": "list"}}}',
        b"[" * 100_000,
        f'{{"webhook_url": "{URL}"'.encode(),
    ],
)
async def test_damaged_file_is_moved_aside_with_one_warning(
    path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    put(path, damage)
    settings = Settings(path, inline=True)
    assert (settings.webhook_url, settings.invite_url) == (None, None)
    aside = path.with_name("discord.settings.json.damaged")
    assert aside.read_bytes() == damage
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert str(path) in record.getMessage()
    assert str(aside) in record.getMessage()
    assert "made-up-token" not in caplog.text
    await settings.save(WEBHOOK_URL, URL)
    assert Settings(path, inline=True).webhook_url == URL


async def test_folder_in_its_place_is_moved_aside_too(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(path / "file", b"")
    settings = Settings(path, inline=True)
    await settings.save(WEBHOOK_URL, URL)
    assert Settings(path, inline=True).webhook_url == URL
    assert len(caplog.records) == 1


def test_file_that_cannot_be_moved_aside_does_no_harm(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.write_text("{", encoding="utf-8")

    def reject(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", reject)
    assert Settings(path).webhook_url is None
    assert "cannot be moved aside" in caplog.text


async def test_failed_write_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(path, inline=True)
    await settings.save(WEBHOOK_URL, URL)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        await settings.save(WEBHOOK_URL, None)

    assert settings.webhook_url == URL
    assert Settings(path).webhook_url == URL
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_repr_shows_no_secret(path: Path) -> None:
    settings = Settings(path, inline=True)
    await settings.save(WEBHOOK_URL, URL)
    assert "made-up-token" not in repr(settings)


@pytest.mark.real_clock
async def test_it_writes_in_a_thread(path: Path) -> None:
    await Settings(path).save(WEBHOOK_URL, URL)
    assert Settings(path).webhook_url == URL
