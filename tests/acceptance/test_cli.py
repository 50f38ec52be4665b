from __future__ import annotations

import importlib
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from textwrap import dedent

import jsonschema
import pytest

from lanrage_events.__main__ import main
from lanrage_events.cli import install_command

Install = Callable[..., None]

TOKEN = "made-up-token-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQR"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a distribution with one module that has commands."""
    before = set(sys.modules)
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def install_distribution(name: str, source: str, **commands: str) -> None:
        module = name.replace("-", "_")
        (site / f"{module}.py").write_text(dedent(source), encoding="utf-8")
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n", encoding="utf-8"
        )
        targets = [f"{word} = {module}:{function}\n" for word, function in commands.items()]
        (info / "entry_points.txt").write_text(
            "[lanrage_events.commands]\n" + "".join(targets), encoding="utf-8"
        )
        importlib.invalidate_caches()

    yield install_distribution
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(text: str, name: str = "lanrage.yaml") -> Path:
    path = Path(name)
    path.write_text(dedent(text), encoding="utf-8")
    return path


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False, timeout=60
    )


# Without a command


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"lanrage-events {version('lanrage-events')}\n"


def test_help_names_every_command_and_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("run", "check", "schema", "plugins", "events", "preview", "demo"):
        assert f"│ {command} " in text

    assert "Play a LAN evening" in text
    assert "78" in text


@pytest.mark.slow
def test_help_imports_neither_httpx_nor_pydantic_nor_plugins() -> None:
    code = (
        "import sys\n"
        "from lanrage_events.__main__ import main\n"
        "assert main(['--help']) == 0\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    result = python(code)
    assert result.returncode == 0, result.stderr
    packages = {name.partition(".")[0] for name in result.stderr.split()}
    assert "lanrage_events" in packages
    assert not packages & {"httpx", "pydantic", "jinja2", "yaml", "structlog"}
    assert not any(name.startswith("lanrage_events_") for name in packages)


def test_an_unknown_command_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chek"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert 'Did you mean "check"?' in output.err


def test_an_unknown_option_gets_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--backnd", "trio"]) == 2
    assert "Did you mean --backend?" in capsys.readouterr().err


def test_a_wrong_value_gets_the_possible_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--backend", "curio"]) == 2
    assert '"asyncio"' in capsys.readouterr().err


def test_a_missing_package_is_reported_in_one_line() -> None:
    result = python(
        "import sys\n"
        "from lanrage_events.__main__ import main\n"
        "sys.modules['cyclopts'] = None\n"
        "sys.exit(main(['run']))\n"
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"lanrage-events: the package 'cyclopts' is missing: {install_command('daemon')}\n"
    )


def test_a_package_that_no_extra_brings_is_an_error_of_the_program(install: Install) -> None:
    install("sulk-dist", "def sulk():\n    import no_such_package\n", sulk="sulk")
    with pytest.raises(ModuleNotFoundError):
        main(["sulk"])


def test_the_words_of_the_process_are_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["lanrage-events", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("lanrage-events ")


def test_ctrl_c_before_anything_runs_ends_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("mine").mkdir()
    write("class Plugin:\n    def __init__(self): raise KeyboardInterrupt", "mine/sulk.py")
    write("plugins_folder: ./mine\nplugins: {sulk: }\n")
    assert main(["check"]) == 130
    assert capsys.readouterr().err == ""


# check


def test_a_good_configuration_is_reported_as_good(capsys: pytest.CaptureFixture[str]) -> None:
    write("plugins: {log: {path: events.jsonl}}\nbackend: trio\n")
    assert main(["check"]) == 0
    output = capsys.readouterr()
    assert output.out == "lanrage.yaml: all is well; plugins: log; backend: trio\n"
    assert output.err == ""
    assert not Path("events.jsonl").exists()


def test_every_error_is_reported_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    path = write(
        """\
        backend: trioo
        plugins:
          log: {pth: x.jsonl}
          discrd: {}
          discord: {batch: {windw: 3s}}
        """,
        "other.yaml",
    )
    assert main(["check", str(path)]) == 78
    assert capsys.readouterr().out.splitlines() == [
        "other.yaml:1:10: backend: expected 'asyncio' or 'trio', did you mean 'trio'?",
        "other.yaml:3:9: plugins.log.pth: unknown key, did you mean 'path'?",
        "other.yaml:4:3: plugins.discrd: no such plugin is installed, did you mean 'discord'?",
        "other.yaml:5:21: plugins.discord.batch.windw: unknown key, did you mean 'window'?",
        "other.yaml: 4 errors",
    ]


@pytest.mark.slow
def test_a_wrong_webhook_url_is_reported_without_its_token(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(
        "plugins:\n  discord:\n    webhook_url: "
        f"https://discord.com.evil.example/api/webhooks/123456789012345678/{TOKEN}\n"
    )
    assert main(["check"]) == 78
    output = capsys.readouterr().out
    assert output.startswith("lanrage.yaml:3:18: plugins.discord.webhook_url: ")
    assert "discord.com.evil.example" in output
    assert TOKEN not in output


def test_hooks_that_do_not_exist_are_found_without_starting_anything(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("mine").mkdir()
    write(
        """\
        from lanrage_events import hookimpl

        @hookimpl
        def lifespan(bus):
            raise SystemError("it must not start")

        @hookimpl
        def peer_jond(event):
            pass
        """,
        "mine/greeter.py",
    )
    write("plugins_folder: ./mine\nplugins: {greeter: }\n")
    assert main(["check"]) == 78
    assert capsys.readouterr().out == (
        "lanrage.yaml:2:11: plugins.greeter: the plugin implements the unknown hook 'peer_jond', "
        "did you mean 'peer_joined'?\nlanrage.yaml: 1 error\n"
    )


@pytest.mark.slow
def test_what_is_most_likely_not_meant_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    write("plugins: {}")
    assert main(["check"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("warning: lanrage.yaml:1:1: plugins: no plugin is named")
    assert second == "lanrage.yaml: 1 warning; plugins: none; backend: asyncio"


def test_names_in_a_configuration_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write('plugins: {"a\\e[2J\\n": }')
    assert main(["check"]) == 78
    assert "\x1b" not in capsys.readouterr().out


def test_what_is_wrong_without_a_file_names_no_line_of_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANRAGE_EVENTS_PORT", "none")
    assert main(["check"]) == 78
    problem, summary = capsys.readouterr().out.splitlines()
    assert problem.startswith("(no lanrage.yaml):2:")
    assert summary == "(no lanrage.yaml): 1 error"


def test_without_a_file_the_page_the_parties_and_discord_are_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out == (
        "no lanrage.yaml, so the defaults: all is well; plugins: http, discord, parties; backend: asyncio\n"
    )


# run


def test_a_file_that_does_not_exist_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "nope.yaml"]) == 78
    assert capsys.readouterr().err == "nope.yaml: the file does not exist\n"


def test_a_wrong_configuration_is_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    write("plugins: {log: {pth: x}}")
    assert main(["run"]) == 78
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == ("lanrage.yaml:1:17: plugins.log.pth: unknown key, did you mean 'path'?\n")


@pytest.mark.parametrize(
    ("setting", "words", "code", "start"),
    [
        ("", ["--backend", "trio"], 1, "lanrage-events: "),
        ("backend: trio\n", [], 78, "lanrage.yaml:1:10: backend: 'trio' cannot be used: "),
    ],
)
def test_a_backend_that_is_not_installed_is_reported_in_one_line(
    setting: str,
    words: list[str],
    code: int,
    start: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(f"{setting}plugins: {{log: }}")
    monkeypatch.setitem(sys.modules, "trio", None)
    assert main(["run", *words]) == code
    assert capsys.readouterr().err == (
        f"{start}the package 'trio' is missing: {install_command('trio')}\n"
    )


def test_an_unexpected_error_is_logged_and_not_left_to_python(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("plugins: {log: }")
    codes: list[int] = []
    # Signals can be handled in the main thread only.
    thread = threading.Thread(target=lambda: codes.append(main(["run"])))
    thread.start()
    thread.join()
    assert codes == [1]
    errors = capsys.readouterr().err
    assert "[critical ] unexpected error" in errors
    assert "    ValueError: signal only works in main thread" in errors


# schema


def test_the_schema_is_that_of_configuration_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    validator = jsonschema.Draft7Validator(schema)
    assert validator.is_valid({"plugins": {"log": {"path": "x"}}})
    assert not validator.is_valid({"plugins": {"log": {"pth": "x"}}})


def test_the_schema_has_the_plugins_of_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    write("", "mine/greeter.py")
    assert main(["schema", "--plugins-folder", "mine"]) == 0
    assert "greeter" in json.loads(capsys.readouterr().out)["properties"]["plugins"]["properties"]


# plugins


def test_plugins_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    write("1 / 0", "mine/sick.py")
    assert main(["plugins", "--plugins-folder", "mine"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    own = version("lanrage-events")
    assert rows["log"].split()[1:4] == [own, "lanrage-events", "ok"]
    assert rows["discord"].split()[1:4] == [own, "lanrage-events", "ok"]
    assert "broken" in rows["sick"]
    assert "ZeroDivisionError" in rows["sick"]


def test_plugins_are_listed_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANRAGE_EVENTS_PLUGINS", "log")
    assert main(["plugins", "--json"]) == 0
    data = {plugin["name"]: plugin for plugin in json.loads(capsys.readouterr().out)}
    assert data["log"]["status"] == "ok"
    assert "event" in data["log"]["hooks"]
    assert data["discord"]["status"] == "excluded"


def test_commands_that_cannot_be_used_are_reported_beside(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("greedy-dist", "def run(): pass", run="run", odd="not a name")
    assert main(["plugins"]) == 0
    output = capsys.readouterr()
    assert "greedy" not in output.out
    odd, run = output.err.splitlines()
    assert odd.startswith("the command 'odd' of greedy-dist 1.0 cannot be used: 'greedy_dist:not a")
    assert run == (
        "the command 'run' of greedy-dist 1.0 cannot be used: lanrage-events has its own"
    )


# events


@pytest.mark.slow
def test_event_types_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events"]) == 0
    output = capsys.readouterr()
    assert "peer_joined  A player joined a party." in output.out
    assert output.err == ""


def test_the_event_types_of_a_configuration_are_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("mine").mkdir()
    write(
        '''\
        from dataclasses import dataclass
        from lanrage_events import Event, hookimpl

        @dataclass(frozen=True, kw_only=True, slots=True)
        class MapChanged(Event):
            """A server changed its map."""

            map_name: str

        @hookimpl
        def register_events():
            return [MapChanged]
        ''',
        "mine/maps.py",
    )
    write("plugins_folder: ./mine\nplugins: {maps: }\n")
    assert main(["events", "lanrage.yaml"]) == 0
    assert "map_changed  A server changed its map." in capsys.readouterr().out
    assert main(["events", "lanrage.yaml", "--schema"]) == 0
    assert "map_changed" in json.loads(capsys.readouterr().out)["$defs"]


def test_the_event_types_of_a_wrong_configuration_are_not_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("plugins: {nope: }")
    assert main(["events", "lanrage.yaml"]) == 78
    output = capsys.readouterr()
    assert output.out == ""
    assert "no such plugin is installed" in output.err


# Commands of plugins


@pytest.mark.slow
def test_a_command_of_a_plugin_is_called_with_its_arguments(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(
        "shout-dist",
        """\
        def shout(word: str, *, times: int = 1) -> int:
            '''Shout a word.'''
            print(word.upper() * times)
            return 3

        async def hum() -> None:
            print("hm")
        """,
        shout="shout",
        hum="hum",
    )
    assert main(["shout", "hey", "--times", "2"]) == 3
    assert capsys.readouterr().out == "HEYHEY\n"
    assert main(["hum"]) == 0
    assert capsys.readouterr().out == "hm\n"
    assert main(["shout", "--tims", "2"]) == 2
    assert "Did you mean --times?" in capsys.readouterr().err


def test_only_the_command_that_is_called_is_imported(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("shout-dist", '"""Shout."""\n\ndef shout():\n    """Shout."""\n', shout="shout")
    install("broken-dist", '1 / 0\n\ndef sulk():\n    """Sulk."""\n', sulk="sulk")
    for words in (["--help"], ["shout"], ["shoud"], ["events"]):
        main(words)
        assert "broken_dist" not in sys.modules

    assert "Sulk." in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def sulk(x: 'Nothing'): pass", "NameError: name 'Nothing' is not defined"),
    ],
)
@pytest.mark.parametrize("words", [["sulk", "now"], ["sulk", "--help"], ["--help", "sulk"]])
def test_a_broken_command_names_its_distribution(
    install: Install,
    source: str,
    reason: str,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    install("broken-dist", source, sulk="sulk")
    assert main(words) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        f"lanrage-events: the command 'sulk' of broken-dist 1.0 cannot be used: {reason}\n"
    )
    assert main(["plugins"]) == 0


def test_our_own_commands_cannot_be_replaced(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("greedy-dist", "def events(): print('mine')", events="events")
    assert main(["events"]) == 0
    assert "mine" not in capsys.readouterr().out


# Output


@pytest.mark.slow
def test_a_reader_that_is_gone_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "lanrage_events", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=60)
    assert errors == b""
    assert process.returncode == 1


def test_a_terminal_that_lacks_a_character_shows_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="latin-1"))
    assert main(["preview", "peer_joined"]) == 0
    assert b"? Ben joined" in output.getvalue()


# run --stdin --timeout


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--timeout", "5s"], "--timeout is for the end of an input: give --stdin, too"),
        (["--stdin", "--timeout", "5"], "--timeout: a number alone is not a duration, add a unit"),
    ],
)
def test_the_time_for_the_end_of_an_input_is_checked(
    words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words]) == 2
    assert problem in capsys.readouterr().err


# check --event


PRIVACY = """
from dataclasses import replace

from lanrage_events import PeerJoined, hookimpl

transform_required = True


@hookimpl
def transform(event: PeerJoined) -> PeerJoined:
    return replace(event, peer_name="a player")
"""


def test_check_shows_an_event_as_the_transforms_of_plugins_leave_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "privacy.py").write_text(PRIVACY, encoding="utf-8")
    file = tmp_path / "lanrage.yaml"
    file.write_text(f"plugins_folder: {tmp_path}\nplugins: {{privacy: }}\n", encoding="utf-8")
    event = '{"type": "peer_joined", "peer_name": "Zelda", "party_name": "LAN"}'
    assert main(["check", str(file), "--event", event]) == 0
    _, step, received = capsys.readouterr().out.splitlines()
    assert step == "plugin 'privacy': transform changes it"
    assert received.startswith("the plugins receive {")
    assert '"peer_name":"a player"' in received
