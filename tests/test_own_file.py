"""Files beside templates: which names there are, and that reading them is safe."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import cast

import pytest

from lanrage_events.templates import OwnFile, read_in_thread


def test_a_file_in_the_folder_and_one_below_it_are_read(tmp_path: Path) -> None:
    (tmp_path / "games").mkdir()
    (tmp_path / "a b.png").write_bytes(b"1")
    (tmp_path / "games" / "Größe.png").write_bytes(b"2")

    assert OwnFile(tmp_path, "a b.png").read(1) == b"1"
    assert OwnFile(tmp_path, "games/Größe.png").read(1) == b"2"


@pytest.mark.parametrize(
    "name",
    [
        "../a.png",
        "games/../../a.png",
        "games/..",
        "./a.png",
        "/etc/passwd",
        "//host/share/a.png",
        "games//a.png",
        "games/",
        "",
        "C:\\a.png",
        "C:a.png",
        "a.png:stream",
        "..\\a.png",
        "a\nb.png",
        "a\0.png",
        ".hidden.png",
        "games/.hidden.png",
        "a/b/c.png",
        "a" * 201,
    ],
)
def test_a_name_that_leads_elsewhere_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is not used: "):
        OwnFile(tmp_path, name)


def test_a_file_that_is_missing_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "quake.png").write_bytes(b"")

    with pytest.raises(ValueError, match=r"no file 'qake\.png' .*, did you mean 'quake\.png'\?"):
        OwnFile(tmp_path, "qake.png").read(9)


def test_a_file_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"123")

    assert OwnFile(tmp_path, "a.png").read(3) == b"123"
    with pytest.raises(ValueError, match="larger than 2 bytes"):
        OwnFile(tmp_path, "a.png").read(2)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_links_are_followed_within_the_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "discord"
    (folder / "games").mkdir(parents=True)
    (tmp_path / "discord2").mkdir()
    for name in ("secret.png", "discord2/secret.png", "discord/own.png"):
        (tmp_path / name).write_bytes(b"x")

    (folder / "inside.png").symlink_to("own.png")
    (folder / "outside.png").symlink_to("../secret.png")
    (folder / "beside.png").symlink_to("../discord2/secret.png")
    (folder / "out").symlink_to(tmp_path)

    assert OwnFile(folder, "inside.png").read(9) == b"x"
    for name in ("outside.png", "beside.png", "out/secret.png"):
        with pytest.raises(ValueError, match="a link out of the folder"):
            OwnFile(folder, name).read(9)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()

    for name in ("pipe.png", "folder.png"):
        with pytest.raises(ValueError, match=f"the file '{name}' cannot be read: "):
            OwnFile(tmp_path, name).read(9)


def test_a_file_in_an_archive_is_read(tmp_path: Path) -> None:
    archive = tmp_path / "templates.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("discord/event.yaml", "")
        file.writestr("discord/a.png", b"123")

    with zipfile.ZipFile(archive) as opened:
        folder: Traversable = zipfile.Path(opened, "discord/")
        assert OwnFile(folder, "a.png").read(3) == b"123"
        with pytest.raises(ValueError, match="larger than 2 bytes"):
            OwnFile(folder, "a.png").read(2)

        with pytest.raises(ValueError, match="there is no file 'b.png'"):
            OwnFile(folder, "b.png").read(2)


def test_an_archive_that_is_damaged_is_an_error(tmp_path: Path) -> None:
    archive = tmp_path / "templates.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("discord/a.png", bytes(5000))

    content = archive.read_bytes()
    start = content.index(b"a.png") + len("a.png")
    archive.write_bytes(content[:start] + b"\xff\xff\xff" + content[start + 3 :])
    with zipfile.ZipFile(archive) as opened:
        folder: Traversable = zipfile.Path(opened, "discord/")
        with pytest.raises(ValueError, match=r"'a\.png' cannot be read: the archive is damaged: "):
            OwnFile(folder, "a.png").read(9000)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_folder_that_becomes_a_link_meanwhile_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "discord"
    for place in (folder / "games", tmp_path / "secrets"):
        place.mkdir(parents=True)
        (place / "a.png").write_bytes(place.name.encode())

    open_file = os.open

    def swap(path: Path, flags: int, mode: int = 0o777) -> int:
        if not (folder / "games").is_symlink():
            (folder / "games").rename(folder / "before")
            (folder / "games").symlink_to(tmp_path / "secrets")

        return open_file(path, flags, mode)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(ValueError, match="a link out of the folder"):
        OwnFile(folder, "games/a.png").read(9)


def test_a_hint_looks_at_some_of_a_large_collection(tmp_path: Path) -> None:
    class Collection:
        """A folder of a file beside which one is missing."""

        def __init__(self) -> None:
            self.seen = 0

        def joinpath(self, *parts: str) -> Collection:
            return self

        def is_file(self) -> bool:
            return False

        def iterdir(self) -> Iterator[Path]:
            for number in range(5000):
                self.seen += 1
                yield tmp_path / f"{number}.png"

    collection = Collection()
    with pytest.raises(ValueError, match="there is no file 'a.png'"):
        OwnFile(cast(Traversable, collection), "a.png").read(9)

    assert collection.seen == 500


@pytest.mark.real_clock
async def test_files_are_read_in_a_thread(tmp_path: Path) -> None:
    import threading

    own = threading.get_ident()
    assert await read_in_thread(threading.get_ident) != own


async def test_in_virtual_time_files_are_read_at_once() -> None:
    import threading

    assert await read_in_thread(threading.get_ident) == threading.get_ident()
