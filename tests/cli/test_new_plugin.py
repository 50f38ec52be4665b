from __future__ import annotations

import ast
import json
import keyword
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lanrage_events.__main__ import main
from lanrage_events._cli import UsageError
from lanrage_events._cli.new_plugin import Names, choose_names, texts_of
from lanrage_events._cli.options import PluginKind
from lanrage_events.events import utc_now

LINE_MAX_CHARACTERS = 100
KINDS: tuple[PluginKind, ...] = ("events", "sink", "source", "transform")
FOLDERS = (*KINDS, "source_event")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def run(*words: str, folder: Path, environment: dict[str, str], stdin: str = "") -> str:
    result = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=55,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_it_writes_a_distribution_and_says_what_comes_next(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-plugin", "lan-bingo", "--event", "BingoCalled"]) == 0
    assert tree(folder) == [
        "lanrage-events-lan-bingo",
        *(
            f"lanrage-events-lan-bingo/{path}"
            for path in (
                ".github",
                ".github/workflows",
                ".github/workflows/test.yml",
                ".gitignore",
                "LICENSE",
                "README.md",
                "events.jsonl",
                "lanrage.yaml",
                "lanrage_events_lan_bingo",
                "lanrage_events_lan_bingo/__init__.py",
                "lanrage_events_lan_bingo/_plugin.py",
                "lanrage_events_lan_bingo/py.typed",
                "lanrage_events_lan_bingo/templates",
                "lanrage_events_lan_bingo/templates/discord",
                "lanrage_events_lan_bingo/templates/discord/bingo_called.yaml",
                "pyproject.toml",
                "tests",
                "tests/conftest.py",
                "tests/test_plugin.py",
            )
        ),
    ]
    output = capsys.readouterr()
    assert output.err == ""
    assert "wrote lanrage-events-lan-bingo into lanrage-events-lan-bingo:\n" in output.out
    for step in ("cd lanrage-events-lan-bingo", 'pip install --editable ".[test]"', "pytest"):
        assert f"\n  {step}\n" in output.out


@pytest.mark.real_clock
@pytest.mark.slow
def test_what_it_writes_passes_its_tests_on_both_backends_and_runs(
    folder: Path, environment_with: Callable[[Path], dict[str, str]]
) -> None:
    assert main(["new-plugin", "lan-bingo", "--event", "BingoCalled", "--folder", "bingo"]) == 0
    project = folder / "bingo"
    environment = environment_with(project)
    options = ("-v", "-p", "anyio", "-p", "no:cacheprovider")
    output = run("pytest", *options, folder=project, environment=environment)
    passed = re.findall(r"\[(asyncio|trio)\] PASSED", output)
    assert passed.count("asyncio") == passed.count("trio") == 3
    assert "skipped" not in output

    events = (project / "events.jsonl").read_text("utf-8")
    words = ("lanrage_events", "run", "--stdin")
    output = run(*words, folder=project, environment=environment, stdin=events)
    logged = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    announced = [event["text"] for event in logged if event["type"] == "bingo_called"]
    assert announced == ["Pizza at eight"] * 2


@pytest.mark.real_clock
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "more"),
    [("sink", ()), ("source", ()), ("source", ("--event", "BossBeaten")), ("transform", ())],
)
def test_each_kind_passes_its_tests_as_it_is_written(
    folder: Path,
    environment_with: Callable[[Path], dict[str, str]],
    kind: str,
    more: tuple[str, ...],
) -> None:
    assert main(["new-plugin", f"my-{kind}", "--kind", kind, *more, "--folder", kind]) == 0
    project = folder / kind
    environment = environment_with(project)
    options = ("-v", "-p", "anyio", "-p", "no:cacheprovider")
    output = run("pytest", *options, folder=project, environment=environment)
    passed = re.findall(r"\[(asyncio|trio)\] PASSED", output)
    assert passed.count("asyncio") == passed.count("trio") >= 3
    assert "skipped" not in output


# What it writes has its own settings for linters, which the type checker would take too long for.
@pytest.mark.skipif(find_spec("ruff") is None, reason="needs ruff, of the extra dev")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        *((kind, ()) for kind in KINDS),
        ("source", ("--event", "Ab")),
        ("source", ("--event", "A" + "b" * 32)),
    ],
)
@pytest.mark.parametrize("name", ["a" * 24, "x"])
def test_each_kind_has_a_clean_style_whatever_its_name_is(
    folder: Path, kind: str, more: tuple[str, ...], name: str
) -> None:
    assert main(["new-plugin", name, "--kind", kind, *more, "--folder", kind]) == 0
    for words in (("check",), ("format", "--check")):
        options = ("ruff", *words, "--no-cache", ".")
        run(*options, folder=folder / kind, environment={**os.environ})


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_summary_a_license_classifiers_and_a_workflow(
    folder: Path, kind: str
) -> None:
    assert main(["new-plugin", "motd", "--kind", kind, "--folder", kind]) == 0
    project = tomllib.loads((folder / kind / "pyproject.toml").read_text("utf-8"))["project"]
    summary = project["description"]
    assert (folder / kind / "README.md").read_text("utf-8").splitlines()[2] == f"{summary}."
    assert project["license"] == "MIT"
    assert "Framework :: AnyIO" in project["classifiers"]
    text = (folder / kind / "LICENSE").read_text("utf-8")
    assert f"(c) {utc_now().year} The lanrage-events-motd contributors" in text
    workflow = (folder / kind / ".github" / "workflows" / "test.yml").read_text("utf-8")
    steps = [step.get("run", "") for step in yaml.safe_load(workflow)["jobs"]["test"]["steps"]]
    assert steps[2:] == [
        'pip install --editable ".[dev]"', "ruff check", "ruff format --check", "mypy", "pytest"
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["sink", "source"])
def test_the_next_step_of_what_needs_a_server_is_in_its_readme(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-plugin", "motd", "--kind", kind]) == 0
    output = capsys.readouterr().out
    assert "\n  lanrage-events run" not in output
    assert "README.md says how to try it" in output


def test_a_source_may_have_an_event_of_its_own(folder: Path) -> None:
    assert main(["new-plugin", "arena", "--kind", "source", "--event", "BossBeaten"]) == 0
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 12
    assert "boss_beaten.yaml" in {path.name for path in files}
    for file in files:
        assert "scaffold" not in f"{file}\n{file.read_text('utf-8')}".lower()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--kind", "sink", "--event", "BingoCalled"],
            "of the kind 'sink' has no event of its own",
        ),
        (["--kind", "sinc"], "sinc"),
    ],
)
def test_kinds_that_are_not_possible(
    words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-plugin", "motd", *words]) == 2
    assert message in capsys.readouterr().err
    assert tree(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_model_is_left_in_what_it_writes(folder: Path, kind: str) -> None:
    assert main(["new-plugin", "motd", "--kind", kind]) == 0
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == {"events": 13, "source": 11}.get(kind, 12)
    for file in files:
        assert "scaffold" not in f"{file}\n{file.read_text('utf-8')}".lower()
        assert b"\r" not in file.read_bytes()


@pytest.mark.parametrize("more", [["sink"], ["source"], ["source", "--event", "BossBeaten"]])
def test_no_client_is_made_that_holds_the_event_loop(folder: Path, more: list[str]) -> None:
    assert main(["new-plugin", "motd", "--kind", *more]) == 0
    [plugin] = folder.rglob("_plugin.py")
    made = [line for line in plugin.read_text("utf-8").splitlines() if "AsyncClient(" in line]
    assert [line.split()[0] for line in made] == ["#"]


names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,6}){0,2}", fullmatch=True)
events = st.none() | st.from_regex(r"([A-Z][a-z0-9]{0,9}){1,3}", fullmatch=True)


# All names have one grammar, and each example reads all files.
@pytest.mark.slow
@settings(max_examples=30)
@given(names, events)
def test_every_name_that_is_possible_gives_files_that_can_be_read(
    name: str, event: str | None
) -> None:
    try:
        chosen = choose_names(name, event)
    except UsageError:
        assume(False)
        return

    assert chosen.package.isidentifier()
    assert chosen.event.isidentifier()
    assert not keyword.iskeyword(chosen.event)
    for path, text in chain.from_iterable(texts_of(folder).items() for folder in FOLDERS):
        filled = chosen.fill(text)
        assert "scaffold" not in filled.lower().replace(name, "")
        match path.rpartition(".")[2]:
            case "py":
                ast.parse(filled)
                assert max(map(len, filled.splitlines())) <= LINE_MAX_CHARACTERS
            case "toml":
                points = tomllib.loads(filled)["project"]["entry-points"]["lanrage_events"]
                assert points == {name: f"{chosen.package}:{chosen.classes}Plugin"}
            case "yaml":
                yaml.safe_load(filled)


@pytest.mark.parametrize(
    ("name", "event", "expected"),
    [
        ("motd", None, Names("motd", "MotdAnnounced")),
        ("lanrage-events-motd", None, Names("motd", "MotdAnnounced")),
        ("a-2-b", "TwoTold", Names("a-2-b", "TwoTold")),
        ("a" * 24, None, Names("a" * 24, "A" + "a" * 23 + "Announced")),
    ],
)
def test_names_that_are_possible(name: str, event: str | None, expected: Names) -> None:
    assert choose_names(name, event) == expected


def test_imports_are_sorted_whatever_the_names_are() -> None:
    text = "from x import (\n    ScaffoldAnnounced,\n    ScaffoldPlugin,\n)\n"
    assert Names("b", "AxeThrown").fill(text).split() == [
        *("from", "x", "import", "(", "AxeThrown,", "BPlugin,", ")")
    ]
    assert Names("b", "CakeEaten").fill(text).split()[4:6] == ["BPlugin,", "CakeEaten,"]
    assert Names("a2", "A10Seen").fill(text).split()[4:6] == ["A2Plugin,", "A10Seen,"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["Lan_Bingo"],
            "'Lan_Bingo' cannot be the name of a plugin: it consists of lower-case letters",
        ),
        (["Lan_Bingo"], "such as 'lan-bingo', did you mean 'lan-bingo'?"),
        (["ServerWatch"], "did you mean 'server-watch'?"),
        (["../up"], "did you mean 'up'?"),
        (["ä"], "such as 'lan-bingo'\n"),
        (["a" * 25], "has 25 characters: a plugin's name has at most 24"),
        (["discord"], "a plugin 'discord' is already installed, by lanrage-events"),
        (["lanrage-events-log"], "a plugin 'log' is already installed"),
        (["templates"], "a package 'lanrage_events_templates' is already installed"),
        (
            ["x", "--event", "PeerJoined"],
            "the hook 'peer_joined', which is a hook of lanrage-events",
        ),
        (["x", "--event", "Lifespan"], "the hook 'lifespan', which is a hook of lanrage-events"),
        (["x", "--event", "Import"], "the hook 'import', which is a keyword of Python"),
        (["x", "--event", "bingo_called"], "did you mean 'BingoCalled'?"),
        (["x", "--event", "BINGO"], "'BINGO' cannot be the name of an event class"),
        (["x", "--event", "XPlugin"], "'XPlugin' is the name of another class of the plugin"),
        (["x", "--event", "Health"], "which is a hook of lanrage-events"),
        (["x", "--event", "Bus"], "'Bus' is the name of another class of the plugin"),
        (["x", "--event", "E" + "e" * 33], "is too long: an event's name has at most 33"),
        ([], "requires an argument"),
    ],
)
def test_names_that_are_not_possible(
    words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-plugin", *words]) == 2
    output = capsys.readouterr()
    assert message in output.err
    assert output.out == ""
    assert tree(folder) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_nothing_is_overwritten(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = folder / "lanrage-events-motd"
    if kind == "folder":
        target.mkdir()
        (target / "mine.txt").touch()
    else:
        target.touch()

    before = tree(folder)
    assert main(["new-plugin", "motd"]) == 1
    assert "exists and is not an empty folder: give another one" in capsys.readouterr().err
    assert tree(folder) == before


def test_an_empty_folder_and_a_new_one_in_another_are_used(folder: Path) -> None:
    (folder / "empty").mkdir()
    assert main(["new-plugin", "motd", "--folder", "empty"]) == 0
    assert main(["new-plugin", "motd", "--folder", "a/b c/d"]) == 0
    assert tree(folder / "empty") == tree(folder / "a" / "b c" / "d") != []


def test_the_step_into_a_folder_with_a_space_can_be_copied(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["new-plugin", "motd", "--folder", "my plugin"]) == 0
    assert '\n  cd "my plugin"\n' in capsys.readouterr().out


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "file").touch()
    assert main(["new-plugin", "motd", "--folder", "file/motd"]) == 1
    assert "cannot write file" in capsys.readouterr().err
    assert tree(folder) == ["file"]


def test_a_failure_halfway_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", fail)
    assert main(["new-plugin", "motd"]) == 1
    assert "cannot write lanrage-events-motd: No space left" in capsys.readouterr().err
    assert tree(folder) == []
