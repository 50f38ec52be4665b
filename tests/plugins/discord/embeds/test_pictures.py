"""Pictures beside templates: what is one, and which a message goes with."""

from __future__ import annotations

import gc
import logging
import re
import struct
import threading
from dataclasses import replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import cast

import anyio
import pytest
from anyio import to_thread
from anyio.lowlevel import checkpoint

from lanrage_events.templates import OwnFile
from lanrage_events_discord._embeds import (
    Embed,
    Message,
    Picture,
    Pictures,
    check_picture,
    refer_to,
)

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"
STARTS = {
    "png": PNG,
    "jpg": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "gif": b"GIF89a\1\0\1\0",
    "webp": b"RIFF\x24\0\0\0WEBPVP8 ",
}


def write(folder: Path, name: str, content: bytes = PNG) -> OwnFile:
    (folder / name).write_bytes(content)
    return OwnFile(folder, name)


def message_of(*references: str) -> Message:
    return Message(0, tuple(Embed(title="x", image=one) for one in references))


@pytest.mark.parametrize("suffix", STARTS)
def test_a_picture_is_known_by_its_bytes(tmp_path: Path, suffix: str) -> None:
    file = write(tmp_path, "a.txt", STARTS[suffix] + b"...")

    message, problems = Pictures([tmp_path]).attach_now(message_of(refer_to(file)))

    assert problems == []
    [picture] = message.files
    assert re.fullmatch(rf"a-[0-9a-f]{{12}}\.{suffix}", picture.name)
    assert picture.type == {"jpg": "image/jpeg"}.get(suffix, f"image/{suffix}")
    assert picture.content == STARTS[suffix] + b"..."
    assert message.body()["embeds"] == [
        {"title": "x", "image": {"url": f"attachment://{picture.name}"}}
    ]


@pytest.mark.parametrize("content", [b"", b"<svg/>", b"<html>", b"BM", b"RIFF\0\0\0\0WAVE", b"MZ"])
def test_what_is_no_picture_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"'a\.png' is no picture: it must be a PNG, JPEG, GIF"):
        check_picture(write(tmp_path, "a.png", content))


def test_a_picture_of_more_than_8_mb_is_an_error(tmp_path: Path) -> None:
    check_picture(write(tmp_path, "a.png", PNG.ljust(8_000_000)))
    with pytest.raises(ValueError, match=r"larger than 8,000,000 bytes"):
        check_picture(write(tmp_path, "a.png", PNG.ljust(8_000_001)))


@pytest.mark.parametrize("name", ["Ann;x (1) ] [y](z).png", "Größe.png", "-_-.png", "x" * 99])
def test_a_name_that_is_sent_is_safe(tmp_path: Path, name: str) -> None:
    message, _ = Pictures([tmp_path]).attach_now(message_of(refer_to(write(tmp_path, name))))

    [picture] = message.files
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{1,60}\.png", picture.name)


async def test_the_first_that_is_there_is_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    missing, other = OwnFile(tmp_path, "doom.png"), write(tmp_path, "other.png")
    pictures = Pictures([tmp_path])

    for _ in range(2):
        message = await pictures.attach(message_of(refer_to(missing, other)))
        assert [file.name.partition("-")[0] for file in message.files] == ["other"]

    assert caplog.text.count("there is no file 'doom.png'") == 1
    assert "the fallback is shown" in caplog.text


async def test_a_message_goes_without_a_picture_that_is_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = refer_to(OwnFile(tmp_path, "doom.png"))
    pictures = Pictures([tmp_path])

    for _ in range(2):
        message = await pictures.attach(message_of(missing))
        assert message.files == ()
        assert message.body()["embeds"] == [{"title": "x"}]

    assert caplog.text.count("a message goes without its picture") == 1
    write(tmp_path, "doom.png")
    assert (await pictures.attach(message_of(missing))).files


async def test_only_the_folders_of_the_templates_are_read(tmp_path: Path) -> None:
    reference = refer_to(write(tmp_path, "a.png"))
    pictures = Pictures([tmp_path / "other"])

    message, problems = pictures.attach_now(message_of(reference))

    assert (message.files, problems) == (
        (),
        ["the folder of the file 'a.png' is none of the templates any more"],
    )
    pictures.use([tmp_path])
    assert (await pictures.attach(message_of(reference))).files


async def test_a_picture_stays_the_same_until_the_templates_are_read_again(tmp_path: Path) -> None:
    file = write(tmp_path, "a.png")
    pictures = Pictures([tmp_path])
    [before] = (await pictures.attach(message_of(refer_to(file)))).files
    write(tmp_path, "a.png", PNG + b"new")

    assert (await pictures.attach(message_of(refer_to(file)))).files == (before,)
    pictures.use([tmp_path])
    [after] = (await pictures.attach(message_of(refer_to(file)))).files
    assert after.content == PNG + b"new"
    assert after.name != before.name


async def test_a_picture_that_several_embeds_show_is_sent_once(tmp_path: Path) -> None:
    one, same = write(tmp_path, "a.png"), write(tmp_path, "b.gif", b"GIF89a")
    embeds = (
        Embed(title="1", image=refer_to(one), thumbnail=refer_to(same)),
        Embed(title="2", image=refer_to(one)),
        Embed(title="3", image="https://example.org/a.png"),
    )
    message = await Pictures([tmp_path]).attach(Message(3, embeds))

    assert len(message.files) == 2
    assert message.embeds[0].image == message.embeds[1].image
    assert message.embeds[2].image == "https://example.org/a.png"


async def test_a_message_has_at_most_10_pictures_and_10_mib(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = [write(tmp_path, f"{n}.png", PNG + bytes([n])) for n in range(12)]
    large = [
        write(tmp_path, f"large{n}.png", (PNG + bytes([n])).ljust(6_000_000)) for n in range(2)
    ]
    pictures = Pictures([tmp_path])

    many = Message(
        0,
        tuple(
            Embed(title="x", image=refer_to(a), thumbnail=refer_to(b))
            for a, b in zip(small[::2], small[1::2], strict=True)
        ),
    )
    many = await pictures.attach(many)
    two = await pictures.attach(message_of(*map(refer_to, large)))

    assert len(many.files) == 10
    assert [bool(embed.image) for embed in many.embeds] == [True] * 5 + [False]
    assert [bool(embed.image) for embed in two.embeds] == [True, False]
    assert caplog.text.count("a message has no room for the picture") == 3


async def test_a_picture_that_no_embed_shows_any_more_is_not_sent(tmp_path: Path) -> None:
    message = message_of(refer_to(write(tmp_path, "a.png")))
    message = await Pictures([tmp_path]).attach(message)

    assert replace(message, embeds=(Embed(title="x"),)).files == ()


async def test_what_discord_rejected_is_left_out_of_later_messages(tmp_path: Path) -> None:
    small, large = write(tmp_path, "a.png"), write(tmp_path, "b.png", PNG + b"more")
    pictures = Pictures([tmp_path])
    message = await pictures.attach(message_of(refer_to(small), refer_to(large)))

    pictures.reject(message)

    message = await pictures.attach(message_of(refer_to(small), refer_to(large)))
    assert [bool(embed.image) for embed in message.embeds] == [True, False]


def test_a_message_whose_pictures_were_not_read_has_none(tmp_path: Path) -> None:
    message = message_of(refer_to(write(tmp_path, "a.png")))

    assert message.references
    assert message.body()["embeds"] == [{"title": "x"}]
    assert message.edit_body()["embeds"] == [{"title": "x"}]


def test_a_reference_survives_the_outbox(tmp_path: Path) -> None:
    name = "a b|c%?#.png".replace("|", "").replace("?", "")
    reference = refer_to(OwnFile(tmp_path, name), write(tmp_path, "other.png"))
    embed = Embed(title="x", thumbnail=reference)

    again = Embed.from_dict(embed.to_dict())

    assert again == embed
    message, _ = Pictures([tmp_path]).attach_now(Message(0, (again,)))
    assert message.files
    assert str(tmp_path) not in reference


@pytest.mark.parametrize(
    "address", ["attachment://../x.png", "attachment://", "file:///etc/passwd", "file:x/y"]
)
def test_an_address_that_is_no_reference_is_dropped(address: str) -> None:
    assert Embed(title="x", image=address).image == ""


class Drive:
    """A folder that does not answer until it is released."""

    def __init__(self) -> None:
        self.answers = threading.Event()

    def __str__(self) -> str:
        return "drive"

    def joinpath(self, *parts: str) -> Drive:
        return self

    def is_file(self) -> bool:
        self.answers.wait()
        return False

    def iterdir(self) -> list[Drive]:
        return []


@pytest.mark.real_clock
@pytest.mark.slow
async def test_a_folder_that_does_not_answer_is_waited_for_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lanrage_events_discord._embeds.pictures.READ_SECONDS", 0.1)
    drive = Drive()
    folder = cast(Traversable, drive)
    pictures = Pictures([folder])
    before = set(threading.enumerate())
    with anyio.fail_after(5):
        references = [refer_to(OwnFile(folder, f"{number}.png")) for number in range(60)]
        for reference in references:
            assert (await pictures.attach(message_of(reference))).files == ()

        # Neither others nor the end of the process wait for it.
        waiting = {one for one in threading.enumerate() if "files" in one.name} - before
        assert len(waiting) == 1
        assert all(thread.daemon for thread in waiting)
        await to_thread.run_sync(lambda: None)
        assert caplog.text.count("reading it takes too long") == 1
        drive.answers.set()
        while waiting & set(threading.enumerate()):
            await checkpoint()

        problems: list[str] = []
        await pictures.attach(message_of(references[-1]), problems.append)
        assert problems == ["drive: there is no file '59.png' beside the template"]


@pytest.mark.slow
def test_all_previews_keep_at_most_32_mib(tmp_path: Path) -> None:
    pictures = Pictures([tmp_path])
    for number in range(6):
        file = write(tmp_path, f"{number}.png", (PNG + bytes([number])).ljust(8_000_000))
        pictures.attach_now(message_of(refer_to(file)))

    kept = {id(one): len(one) for one in gc.get_objects() if isinstance(one, Picture)}
    assert sum(kept.values()) <= 32 * 2**20
