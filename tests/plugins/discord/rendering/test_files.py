"""Pictures beside templates, as templates name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanrage_events import GameStarted, PeerJoined
from lanrage_events.events import EventRegistry
from lanrage_events.templates import TemplateError
from lanrage_events_discord._embeds import Message
from lanrage_events_discord._rendering import Renderer, compose
from tests.plugins.discord.rendering.test_renderer import ANN, BUNDLED

PNG = b"\x89PNG\r\n\x1a\n...."
QUAKE = GameStarted(game_name="Quake III: Arena", players=("Ann",))


class Scene:
    """A folder of templates with pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "discord"
        self.folder.mkdir()
        self.problems: list[TemplateError] = []
        self.renderer = Renderer([folder, BUNDLED], invite_url=lambda: None, report=self._report)
        self.types = EventRegistry().types()

    def _report(self, problem: TemplateError) -> None:
        self.problems.append(problem)

    def write(self, name: str, content: str | bytes = PNG) -> None:
        data = content.encode() if isinstance(content, str) else content
        (self.folder / name).write_bytes(data)

    def messages(self, *events: PeerJoined | GameStarted, **options: str) -> list[Message]:
        entries = [self.renderer.render(event) for event in events]
        composed = compose(entries, wording=self.renderer.wording, **options)  # type: ignore[arg-type]
        return [self.renderer.pictures.attach_now(message)[0] for message in composed]

    def shown(self, *events: PeerJoined | GameStarted, **options: str) -> list[str]:
        """Return the stems of the pictures of the only message."""
        [message] = self.messages(*events, **options)
        return [file.name.rpartition("-")[0] for file in message.files]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize("part", ["image", "thumbnail"])
def test_a_template_shows_a_picture_beside_it(scene: Scene, part: str) -> None:
    scene.write("hello.png")
    scene.write("peer_joined.yaml", f"{part}: {{file: hello.png}}")
    scene.renderer.check(scene.types)

    [message] = scene.messages(ANN)

    assert scene.problems == []
    [file] = message.files
    assert message.body()["embeds"][0][part] == {"url": f"attachment://{file.name}"}  # type: ignore[index]


@pytest.mark.parametrize(
    ("leaf", "column", "message"),
    [
        (
            "qake.png",
            9,
            "there is no file 'qake.png' beside the template, did you mean 'quake.png'?",
        ),
        ("text.png", 9, "the file 'text.png' is no picture: it must be a PNG, JPEG, GIF or WebP"),
        ("../x.png", 9, "the file '../x.png' is not used: it must be inside the folder of the tem"),
        ("'/x.png'", 9, "the file '/x.png' is not used: it must be inside the folder of the templ"),
        ("large.png", 9, "the file 'large.png' is larger than 8,000,000 bytes"),
        ("out.png", 9, "the file 'out.png' cannot be read: it is a link out of the folder of the"),
    ],
)
@pytest.mark.parametrize("key", ["file", "fallback"])
def test_a_picture_that_is_missing_or_wrong_is_a_problem_of_the_template(
    scene: Scene, tmp_path: Path, leaf: str, column: int, message: str, key: str
) -> None:
    scene.write("quake.png")
    scene.write("text.png", "hello")
    scene.write("large.png", PNG.ljust(8_000_001))
    (scene.folder / "out.png").symlink_to(tmp_path.parent)
    scene.write("peer_joined.yaml", f"title: hi\nimage:\n  {key}: {leaf}\n")
    scene.renderer.check(scene.types)

    [problem] = scene.problems
    place = f"{scene.folder / 'peer_joined.yaml'}:3:{column + len(key) - 4}"
    assert str(problem).startswith(f"{place}: image.{key}: {message}")
    assert not problem.is_warning
    assert scene.shown(ANN) == []
    assert scene.messages(ANN)[0].embeds[0].title == "hi"


@pytest.mark.parametrize(
    ("name", "file"),
    [(".hack//Link", "_hack__link"), ("..", "_."), ("Poke\u0301mon", "pok\xe9mon"), (".", "_")],
)
def test_each_name_can_have_a_picture(scene: Scene, name: str, file: str) -> None:
    scene.write(f"{file}.png")
    scene.write("game_started.yaml", "image: {file: '{{ game_name | lower }}.png'}")

    [message] = scene.messages(GameStarted(game_name=name, players=()))
    assert len(message.files) == 1
    assert scene.problems == []


def test_a_picture_is_chosen_by_a_value(scene: Scene) -> None:
    scene.write("quake iii_ arena.png")
    scene.write("other.png")
    template = "thumbnail: {file: '{{ game_name | lower }}.png', fallback: other.png}"
    scene.write("game_started.yaml", template)

    assert scene.shown(QUAKE) == ["quake-iii_-arena"]
    assert scene.shown(GameStarted(game_name="Doom", players=())) == ["other"]
    assert scene.problems == []


@pytest.mark.parametrize(
    "name",
    ["../secret", "..", "/etc/passwd", "a/b", "C:\\x", "x\0y", "..\\x", "\u202e", "x" * 5000, " "],
)
def test_a_value_never_leads_out_of_the_folder(scene: Scene, name: str) -> None:
    (scene.folder.parent / "secret.png").write_bytes(PNG)
    (scene.folder / "other.png").write_bytes(PNG)
    scene.write("game_started.yaml", "image: {file: '{{ game_name }}.png', fallback: other.png}")

    assert scene.shown(GameStarted(game_name=name, players=())) == ["other"]


def test_the_file_is_looked_for_beside_the_template_that_names_it(
    tmp_path: Path,
) -> None:
    scenes = []
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        scenes.append(Scene(tmp_path / name))

    mine, theirs = scenes
    theirs.write("a.png")
    theirs.write("peer_joined.yaml", "image: {file: a.png}")
    mine.write("peer_joined.yaml", "image: {fallback: a.png}")
    renderer = Renderer(
        [tmp_path / "mine", tmp_path / "theirs", BUNDLED],
        invite_url=lambda: None,
        report=mine._report,
    )
    renderer.check(mine.types)

    assert [problem.leaf for problem in mine.problems] == ["image.fallback"]
    [message] = compose([renderer.render(ANN)], wording=renderer.wording)
    assert renderer.pictures.attach_now(message)[0].files


def test_an_address_stands_where_the_file_is_taken_away(scene: Scene) -> None:
    scene.write("a.png")
    scene.write("event.yaml", "image: {file: a.png}")
    scene.write("peer_joined.yaml", "image: {file: '', url: https://example.org/b.png}")

    assert scene.shown(QUAKE) == ["a"]
    [message] = scene.messages(ANN)
    assert (message.embeds[0].image, message.files) == ("https://example.org/b.png", ())


def test_a_digest_shows_its_own_picture_and_embeds_show_theirs(scene: Scene) -> None:
    for name in ("joined.png", "digest.png"):
        scene.write(name, PNG + name.encode())

    scene.write("peer_joined.yaml", "image: {file: joined.png}")
    scene.write("digest.yaml", "thumbnail: {file: digest.png}")
    others = [PeerJoined(peer_name=f"p{n}", party_name="LAN") for n in range(3)]

    assert scene.shown(*others) == ["digest"]
    assert scene.shown(*others, style="embeds") == ["joined"]
    assert len(scene.messages(*others, style="embeds")[0].embeds) == 3


def test_a_reload_finds_a_picture_that_came_or_went(scene: Scene) -> None:
    scene.write("a.png")
    scene.write("peer_joined.yaml", "image: {file: a.png}")
    folders = (scene.folder.parent, BUNDLED)
    assert scene.renderer.reload(folders, scene.types) == []

    (scene.folder / "a.png").unlink()
    [problem, kept] = scene.renderer.reload(folders, scene.types)
    assert "there is no file 'a.png'" in str(problem)
    assert "has errors, so the version that was read before stays in use" in str(kept)
    assert scene.shown(ANN) == []

    scene.write("a.png")
    assert scene.renderer.reload(folders, scene.types) == []
    assert scene.shown(ANN) == ["a"]
